from mmtwin.memory cimport words_of
from mmtwin.pages.slowpath cimport SlowPath

cdef class PageAlloc(SlowPath):
    cdef public object injector, on_failure
    cpdef unsigned long long alloc_pages(self, unsigned long long gfp, int order, int node=*) except? 0xDEADBEEFDEADBEEF
    cpdef int trace_alloc(self, unsigned long long page, int order, unsigned long long gfp) except -1
    cpdef int free_pages(self, unsigned long long page, int order) except? -1
    cpdef object alloc_pages_bulk(self, unsigned long long gfp, int order, int count)
    cpdef int free_pages_bulk(self, object pages, int order) except -1
