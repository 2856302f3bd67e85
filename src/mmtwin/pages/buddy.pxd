from mmtwin.pages cimport load
from mmtwin.pages.freelist cimport FreeLists

cdef class Buddy(FreeLists):
    cdef public object tracer
    cdef public bint debug_vm
    cdef public unsigned long long capture_zone, captured
    cdef public int capture_order
    cpdef bint compaction_capture(self, unsigned long long page, int order, int migratetype) except -1
    cpdef unsigned long long find_buddy_pfn(self, unsigned long long pfn, int order) except? 0xDEADBEEFDEADBEEF
    cpdef bint page_is_buddy(self, unsigned long long page, unsigned long long buddy, int order) except -1
    cpdef unsigned long long find_buddy_page_pfn(self, unsigned long long page, unsigned long long pfn, int order) except? 0xDEADBEEFDEADBEEF
    cpdef bint buddy_may_merge(self, unsigned long long buddy, int order, int migratetype) except -1
    cpdef bint buddy_merge_likely(self, unsigned long long page, unsigned long long pfn, int order) except -1
    cpdef int check_free_one_page(self, unsigned long long page, unsigned long long pfn, unsigned long long zone, int order, int migratetype) except -1
    cpdef int account_freed(self, unsigned long long zone, int order, int migratetype) except -1
    cpdef int _free_one_page(self, unsigned long long page, unsigned long long pfn, unsigned long long zone, int order, int migratetype, int fpi_flags) except -1
    cpdef int expand(self, unsigned long long zone, unsigned long long page, int low, int high, int migratetype) except -1
    cpdef unsigned long long _rmqueue_smallest(self, unsigned long long zone, int order, int migratetype) except? 0xDEADBEEFDEADBEEF
    cpdef int trace_zone_locked(self, unsigned long long page, int order, int migratetype) except -1
    cpdef bint pcp_allowed_order(self, int order) except -1
