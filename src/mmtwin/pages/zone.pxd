from mmtwin.pages cimport add, load, store
from mmtwin.pages.pageblock cimport Pageblocks

cdef class Zones(Pageblocks):
    cdef readonly tuple specs
    cdef readonly int nodes
    cdef readonly unsigned long long zones, zonelists
    cpdef unsigned long long zone_at(self, int node, int index) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long zonelist(self, int node) except? 0xDEADBEEFDEADBEEF
    cpdef bint populated(self, unsigned long long zone) except -1
    cpdef int zone_idx(self, unsigned long long zone) except -1
    cpdef int zone_to_nid(self, unsigned long long zone) except -1
    cpdef unsigned long long zone_start_pfn(self, unsigned long long zone) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long zone_end_pfn(self, unsigned long long zone) except? 0xDEADBEEFDEADBEEF
    cpdef bint zone_spans_pfn(self, unsigned long long zone, unsigned long long pfn) except -1
    cpdef unsigned long long managed_pages(self, unsigned long long zone) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long zone_of_pfn(self, unsigned long long pfn) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long page_zone(self, unsigned long long page) except? 0xDEADBEEFDEADBEEF
    cpdef bint bad_range(self, unsigned long long zone, unsigned long long page) except -1
    cpdef bint page_reserved(self, unsigned long long page) except -1
    cpdef unsigned long long free_list(self, unsigned long long zone, int order, int migratetype) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long nr_free(self, unsigned long long zone, int order) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long nr_free_pages(self, unsigned long long zone) except? 0xDEADBEEFDEADBEEF
    cpdef int mod_zone_freepage_state(self, unsigned long long zone, long long delta, int migratetype) except -1
    cpdef unsigned long long free_list_count(self, unsigned long long zone, int order, int migratetype) except? 0xDEADBEEFDEADBEEF
