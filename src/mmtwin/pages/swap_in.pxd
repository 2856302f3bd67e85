from mmtwin.pages.page_alloc cimport PageAlloc

cdef class SwapIn(PageAlloc):
    pass
