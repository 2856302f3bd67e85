from mmtwin.pages cimport load
from mmtwin.pages.buddy cimport Buddy

cdef class Watermarks(Buddy):
    cpdef unsigned long long wmark_pages(self, unsigned long long zone, int mark) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long lowmem_reserve(self, unsigned long long zone, int highest_zoneidx) except? 0xDEADBEEFDEADBEEF
    cpdef long long zone_watermark_unusable_free(self, unsigned long long zone, int order, int alloc_flags) except? -1
    cpdef bint _zone_watermark_ok(self, unsigned long long zone, int order, long long mark, int highest_zoneidx, int alloc_flags, long long free_pages) except -1
    cdef bint _suitable_free(self, unsigned long long zone, int order, int alloc_flags) except -1
    cpdef bint zone_watermark_ok(self, unsigned long long zone, int order, long long mark, int highest_zoneidx, int alloc_flags) except -1
    cpdef bint zone_watermark_fast(self, unsigned long long zone, int order, long long mark, int highest_zoneidx, int alloc_flags, bint atomic) except -1
