from mmtwin.maple.share cimport Share
from mmtwin.maple.spot cimport Spot
from mmtwin.memory.memory cimport Memory

cdef class Join(Share):
    cdef int first_child, last_child, kept
    cdef unsigned long long up_max
    cpdef bint plan(self, unsigned long long first, unsigned long long last, unsigned long long entry) except? -1
    cdef bint over_siblings(self, unsigned long long first, unsigned long long last, unsigned long long entry) except? -1
    cdef bint with_sibling(self, unsigned long long entry) except? -1
    cdef unsigned long long child_max(self, int slot) except? 0xDEADBEEFDEADBEEF
    cdef void add(self, unsigned long long held, unsigned long long pivot) except *
    cdef bint deal(self) except? -1
    cpdef void rewrite(self) except *
    cdef void close_up(self, int removed) except *
    cdef void tell_all_gaps(self) except *
