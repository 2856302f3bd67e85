from mmtwin.pages cimport load, store
from mmtwin.pages.watermark cimport Watermarks

cdef class Fallback(Watermarks):
    cdef public long long movable_pages
    cdef public bint can_steal
    cpdef int fallback_type(self, int migratetype, int nth) except? -2
    cpdef long long move_freepages(self, unsigned long long zone, unsigned long long start_pfn, unsigned long long end_pfn, int migratetype) except -1
    cpdef long long move_freepages_block(self, unsigned long long zone, unsigned long long page, int migratetype) except -1
    cpdef int change_pageblock_range(self, unsigned long long page, int order, int migratetype) except -1
    cpdef bint can_steal_fallback(self, int order, int start_type) except -1
    cpdef bint boost_watermark(self, unsigned long long zone) except -1
    cpdef int steal_suitable_fallback(self, unsigned long long zone, unsigned long long page, int alloc_flags, int start_type, bint whole_block) except -1
    cpdef long long alike_pages(self, int old_type, int start_type, long long free) except? -1
    cpdef int find_suitable_fallback(self, unsigned long long zone, int order, int migratetype) except? -2
    cpdef bint _rmqueue_fallback(self, unsigned long long zone, int order, int start_type, int alloc_flags) except -1
    cpdef int trace_extfrag(self, unsigned long long page, int order, int fallback_order, int start_type, int other, bint owned) except -1
    cpdef unsigned long long _rmqueue_cma_fallback(self, unsigned long long zone, int order) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long _rmqueue(self, unsigned long long zone, int order, int migratetype, int alloc_flags) except? 0xDEADBEEFDEADBEEF
