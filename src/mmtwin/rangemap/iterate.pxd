from mmtwin.maple.state cimport MaState
from mmtwin.rangemap.core cimport Core, Holder

cdef class Ranges:
    cdef Holder owner
    cdef Core core
    cdef MaState cursor
    cdef unsigned long long first, last, version, low, high, leaf, edge, limit
    cdef int at, end
    cdef bint backward, done
    cdef unsigned long long step(self) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long enter(self, unsigned long long index) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long onward(self) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long step_back(self) except? 0xDEADBEEFDEADBEEF

cdef class Values:
    cdef Ranges ranges

cdef class Gaps:
    cdef Ranges ranges
    cdef unsigned long long next, end
    cdef bint done
