from mmtwin.pages cimport load
from mmtwin.pages.pcplist cimport Pcplists

cdef class GfpRequest(Pcplists):
    cdef public unsigned long long current
    cdef readonly unsigned long long gfp_high, gfp_io, gfp_fs, gfp_movable, gfp_reclaimable, gfp_atomic
    cdef readonly unsigned long long gfp_direct_reclaim, gfp_kswapd_reclaim, gfp_no_kswapd, gfp_nowarn
    cdef readonly unsigned long long gfp_nofail, gfp_memalloc, gfp_nomemalloc, gfp_comp, gfp_zero
    cdef readonly unsigned long long gfp_thisnode, gfp_cold, gfp_noretry, gfp_retry_mayfail
    cdef readonly unsigned long long gfp_account, gfp_write
    cpdef int gfp_zone(self, unsigned long long gfp) except -1
    cpdef int gfp_migratetype(self, unsigned long long gfp) except -1
    cpdef unsigned long long current_gfp_context(self, unsigned long long gfp) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long next_zone(self, unsigned long long zoneref, int highest_zoneidx) except? 0xDEADBEEFDEADBEEF
