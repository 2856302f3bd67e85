from mmtwin.pages cimport load, store
from mmtwin.pages.fallback cimport Fallback

cdef class Highatomic(Fallback):
    cpdef unsigned long long highatomic_limit(self, unsigned long long zone) except? 0xDEADBEEFDEADBEEF
    cpdef int reserve_highatomic_pageblock(self, unsigned long long page, unsigned long long zone, int order) except -1
    cpdef bint unreserve_highatomic_pageblock(self, unsigned long long zonelist, int migratetype, bint force) except -1
    cpdef bint unreserve_in_zone(self, unsigned long long zone, int migratetype) except -1
    cpdef int uncount_highatomic(self, unsigned long long zone) except -1
