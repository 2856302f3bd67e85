from mmtwin.pages.page_alloc cimport PageAlloc

cdef class Sysctl(PageAlloc):
    pass
