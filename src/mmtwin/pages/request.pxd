from mmtwin.pages cimport add, load, store
from mmtwin.pages.oom cimport Oom

cdef class Request(Oom):
    cdef readonly int preferred_node
    cpdef int gfp_to_alloc_flags_cma(self, unsigned long long gfp, int alloc_flags) except -1
    cpdef int alloc_flags_nofragment(self, unsigned long long zone, unsigned long long gfp) except -1
    cpdef unsigned long long first_attempt(self, unsigned long long gfp, int order, int highest_zoneidx, unsigned long long zonelist) except? 0xDEADBEEFDEADBEEF
    cpdef int note_pfmemalloc(self, unsigned long long page, int alloc_flags) except -1
    cpdef int gfp_to_alloc_flags(self, unsigned long long gfp, int order) except -1
    cpdef int gfp_pfmemalloc_flags(self, unsigned long long gfp) except -1
    cpdef unsigned long long rmqueue(self, unsigned long long zone, int order, unsigned long long gfp, int alloc_flags, int migratetype) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long rmqueue_buddy(self, unsigned long long zone, int order, int alloc_flags, int migratetype) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long get_page_from_freelist(self, unsigned long long gfp, int order, int alloc_flags, int highest_zoneidx, unsigned long long zonelist) except? 0xDEADBEEFDEADBEEF
    cpdef bint zone_usable(self, unsigned long long zone, int order, unsigned long long gfp, int alloc_flags, int highest_zoneidx) except -1
