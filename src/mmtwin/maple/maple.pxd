from mmtwin.maple.state cimport MaState, WrState
from mmtwin.maple.store cimport Store

cdef class Maple(Store):
    cpdef void mt_init_flags(self, unsigned long long tree, unsigned int flags) except *
    cpdef void mas_destroy(self, MaState mas) except *

    cpdef bint mas_nomem(self, MaState mas, unsigned long long gfp) except? -1
    cdef int store_gfp(self, MaState mas, unsigned long long entry, unsigned long long gfp, bint setup) except? -1
    cpdef int mtree_store_range(self, unsigned long long tree, unsigned long long first, unsigned long long last, unsigned long long entry, unsigned long long gfp) except? -1
    cpdef unsigned long long mas_erase(self, MaState mas) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mtree_erase(self, unsigned long long tree, unsigned long long index) except? 0xDEADBEEFDEADBEEF
