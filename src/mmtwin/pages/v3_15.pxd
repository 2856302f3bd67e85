from mmtwin.pages cimport load, store
from mmtwin.pages.hot_cold cimport HotCold

cdef class Pages315(HotCold):
    cpdef int reset_alloc_batches(self, int highest_zoneidx, unsigned long long zonelist) except -1
    cpdef int reset_alloc_batch(self, unsigned long long zone) except -1
