from mmtwin.pages cimport add, load
from mmtwin.pages.highatomic cimport Highatomic

cdef class Isolation(Highatomic):
    cpdef bint has_isolate_pageblock(self, unsigned long long zone) except -1
    cpdef unsigned long long _isolate_free_page(self, unsigned long long page, int order) except? 0xDEADBEEFDEADBEEF
    cpdef bint may_become_movable(self, int migratetype) except -1
    cpdef int become_movable(self, unsigned long long zone, unsigned long long page, int migratetype) except -1
    cpdef int _putback_isolated_page(self, unsigned long long page, int order, int migratetype) except -1
    cpdef int split_free_page(self, unsigned long long page, int order, unsigned long long split_pfn_offset) except? -1
    cpdef int init_if_pristine(self, unsigned long long page, unsigned long long zone) except -1
    cpdef unsigned long long has_unmovable_pages(self, unsigned long long zone, unsigned long long page, int migratetype) except? 0xDEADBEEFDEADBEEF
    cpdef int set_migratetype_isolate(self, unsigned long long page, int migratetype) except? -1
    cpdef int isolate_block(self, unsigned long long zone, unsigned long long page) except -1
    cpdef int unset_migratetype_isolate(self, unsigned long long page, int migratetype) except? -1
    cpdef int init_cma_reserved_pageblock(self, unsigned long long page) except -1
    cpdef int free_one_page(self, unsigned long long zone, unsigned long long page, unsigned long long pfn, int order, int migratetype, int fpi_flags) except -1
