from mmtwin.pages.page_alloc cimport PageAlloc

cdef class Load:
    cdef readonly PageAlloc pages
    cpdef long long take_all(self, unsigned long long zone) except -1
    cpdef int take(self, unsigned long long zone, unsigned long long page, int order, int migratetype) except -1
    cpdef int put_free(self, unsigned long long pfn, int order, int migratetype, bint tail=*) except -1
    cpdef int release(self, unsigned long long page) except -1
    cpdef int put_pcp(self, unsigned long long pfn, int order, int migratetype, int pindex, int cpu) except -1
