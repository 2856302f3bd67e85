from mmtwin.maple cimport has_gaps, in_rcu
from mmtwin.maple.direct cimport Direct
from mmtwin.maple.join cimport Join
from mmtwin.maple.maple cimport Maple
from mmtwin.maple.spot cimport Spot
from mmtwin.maple.state cimport MaState

cdef class Quick:
    cdef Maple maple
    cdef Spot spot
    cdef Join join
    cdef unsigned long long tree, root_word
    cdef bint gaps
    cdef bint store(self, unsigned long long first, unsigned long long last, unsigned long long entry) except? -1
    cdef bint store_here(self, unsigned long long first, unsigned long long last, unsigned long long entry) except? -1
    cdef bint stored(self, unsigned long long entry) except? -1

cdef Quick quick_of(Maple maple, unsigned long long tree)
cpdef long store_many(Maple maple, unsigned long long tree, unsigned long long[::1] firsts, unsigned long long[::1] lasts, unsigned long long[::1] entries, unsigned long long gfp) except -1
cpdef long load_many(Maple maple, unsigned long long tree, unsigned long long[::1] indexes, unsigned long long[::1] found) except -1
cpdef long erase_many(Maple maple, unsigned long long tree, unsigned long long[::1] indexes, unsigned long long[::1] found) except -1
cpdef long find_many(Maple maple, unsigned long long tree, unsigned long long first, unsigned long long max, unsigned long long[::1] firsts, unsigned long long[::1] lasts, unsigned long long[::1] entries) except -1
cpdef long fill_many(Maple maple, unsigned long long tree, unsigned long long min, unsigned long long max, unsigned long long[::1] sizes, unsigned long long[::1] entries, unsigned long long[::1] firsts, bint from_top, unsigned long long gfp) except -1
cpdef long search_many(Maple maple, unsigned long long tree, unsigned long long[::1] lows, unsigned long long max, unsigned long long[::1] sizes, unsigned long long[::1] firsts, bint from_top) except -1
cdef bint _place(Direct direct, MaState mas, unsigned long long min, unsigned long long max, unsigned long long size, bint from_top) except? -1
