from mmtwin.pages cimport add, load, store
from mmtwin.pages.pages cimport Pages

cdef class Pages618(Pages):
    cpdef int set_pageblock_isolate(self, unsigned long long page, bint isolated) except -1
    cpdef int check_list_type(self, unsigned long long page, int order, int migratetype) except -1
    cpdef int retype_merged(self, unsigned long long buddy, int order, int migratetype) except -1
    cpdef bint should_try_claim_block(self, int order, int start_type) except -1
    cpdef unsigned long long block_range(self, unsigned long long zone, unsigned long long pfn) except? 0xDEADBEEFDEADBEEF
    cpdef long long count_free(self, unsigned long long zone, unsigned long long start_pfn) except -1
    cpdef long long move_block(self, unsigned long long zone, unsigned long long start_pfn, int old_type, int new_type) except -1
    cpdef unsigned long long try_to_claim_block(self, unsigned long long zone, unsigned long long page, int order, int start_type, int alloc_flags) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long _rmqueue_claim(self, unsigned long long zone, int order, int start_type, int alloc_flags) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long _rmqueue_steal(self, unsigned long long zone, int order, int start_type) except? 0xDEADBEEFDEADBEEF
    cpdef int toggle_isolate(self, unsigned long long zone, unsigned long long page, bint isolated) except -1
    cpdef int uncount_reserved(self, unsigned long long zone, unsigned long long page, unsigned long long pages) except -1
