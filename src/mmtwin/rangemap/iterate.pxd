from mmtwin.maple.direct cimport Direct
from mmtwin.maple.state cimport MaState
from mmtwin.rangemap cimport object_of, triple
from mmtwin.rangemap.core cimport Core, Holder

cdef class Ranges:
    cdef Holder owner
    cdef Core core
    cdef MaState cursor
    cdef Direct direct
    cdef tuple kept
    cdef unsigned long long first, last, version, low, high
    cdef bint backward, done
    cdef unsigned long long step(self) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long forward(self) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long at_root(self, Core core) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long step_back(self) except? 0xDEADBEEFDEADBEEF

cdef class Values:
    cdef Ranges ranges

cdef class Gaps:
    cdef Ranges ranges
    cdef unsigned long long next, end
    cdef bint done
