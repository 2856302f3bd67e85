from mmtwin.pages cimport load, store
from mmtwin.pages.pages cimport Pages

cdef class Reserve(Pages):
    cpdef int label_smallest(self, unsigned long long page, int migratetype) except -1
    cpdef int label_fallback(self, unsigned long long page, int new_type) except -1
    cpdef int label_refill(self, unsigned long long page, int migratetype) except -1
    cpdef int removed_type(self, unsigned long long page) except -1
    cpdef int check_freepage(self, unsigned long long page, str where) except -1
    cpdef int try_to_steal_freepages(self, unsigned long long zone, unsigned long long page, int start_type, int other) except -1
    cpdef unsigned long long steal_chunk(self, unsigned long long zone, int order, int start_type) except? 0xDEADBEEFDEADBEEF
    cpdef bint pageblock_is_reserved(self, unsigned long long start_pfn, unsigned long long end_pfn) except -1
    cpdef int setup_zone_migrate_reserve(self, unsigned long long zone) except -1
