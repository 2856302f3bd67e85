from mmtwin.pages.pcplist cimport Pcplists

cdef class PageAlloc(Pcplists):
    cdef public unsigned long long current
    cdef readonly int preferred_node
    cdef public object injector, reclaimer, on_failure
    cdef readonly unsigned long long gfp_high, gfp_io, gfp_fs, gfp_movable, gfp_reclaimable, gfp_atomic
    cdef readonly unsigned long long gfp_direct_reclaim, gfp_kswapd_reclaim, gfp_no_kswapd, gfp_nowarn
    cdef readonly unsigned long long gfp_nofail, gfp_memalloc, gfp_nomemalloc, gfp_comp, gfp_zero
    cdef readonly unsigned long long gfp_thisnode, gfp_cold, gfp_noretry, gfp_retry_mayfail
    cdef readonly unsigned long long gfp_account, gfp_write
    cpdef int gfp_zone(self, unsigned long long gfp) except -1
    cpdef int gfp_migratetype(self, unsigned long long gfp) except -1
    cpdef unsigned long long current_gfp_context(self, unsigned long long gfp) except? 0xDEADBEEFDEADBEEF
    cpdef int gfp_to_alloc_flags_cma(self, unsigned long long gfp, int alloc_flags) except -1
    cpdef int alloc_flags_nofragment(self, unsigned long long zone, unsigned long long gfp) except -1
    cpdef unsigned long long first_attempt(self, unsigned long long gfp, int order, int highest_zoneidx, unsigned long long zonelist) except? 0xDEADBEEFDEADBEEF
    cpdef int note_pfmemalloc(self, unsigned long long page, int alloc_flags) except -1
    cpdef int gfp_to_alloc_flags(self, unsigned long long gfp, int order) except -1
    cpdef int gfp_pfmemalloc_flags(self, unsigned long long gfp) except -1
    cpdef unsigned long long rmqueue(self, unsigned long long zone, int order, unsigned long long gfp, int alloc_flags, int migratetype) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long rmqueue_buddy(self, unsigned long long zone, int order, int alloc_flags, int migratetype) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long next_zone(self, unsigned long long zoneref, int highest_zoneidx) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long get_page_from_freelist(self, unsigned long long gfp, int order, int alloc_flags, int highest_zoneidx, unsigned long long zonelist) except? 0xDEADBEEFDEADBEEF
    cpdef bint zone_usable(self, unsigned long long zone, int order, unsigned long long gfp, int alloc_flags, int highest_zoneidx) except -1
    cpdef unsigned long long alloc_pages(self, unsigned long long gfp, int order, int node=*) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long alloc_pages_slowpath(self, unsigned long long gfp, int order, int highest_zoneidx, unsigned long long zonelist) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long alloc_pages_direct_reclaim(self, unsigned long long gfp, int order, int alloc_flags, int highest_zoneidx, unsigned long long zonelist) except? 0xDEADBEEFDEADBEEF
    cpdef int wake_all_kswapds(self, unsigned long long gfp, int order, int alloc_flags, int highest_zoneidx, unsigned long long zonelist) except -1
    cpdef int trace_alloc(self, unsigned long long page, int order, unsigned long long gfp) except -1
    cpdef int free_the_page(self, unsigned long long page, int order) except -1
    cpdef int free_pages(self, unsigned long long page, int order) except? -1
    cpdef int put_page(self, unsigned long long page) except -1
    cpdef object alloc_pages_bulk(self, unsigned long long gfp, int order, int count)
    cpdef int free_pages_bulk(self, object pages, int order) except -1
