from mmtwin.pages.lru cimport Lru

cdef class Swap(Lru):
    cdef readonly unsigned long long swap_info
