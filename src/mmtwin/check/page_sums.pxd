from mmtwin.check cimport touched, was_word, word_changed
from mmtwin.check.pages cimport PageCheck

cdef class PageSums(PageCheck):
    cdef unsigned long long zone_count, zones_at, nodes_end, first_block, last_block
    cdef long long[::1] deltas, lru_deltas
    cdef unsigned long long[::1] touched_zones
    cdef bint quiet, bitmap_touched, nodes_touched
    cdef readonly unsigned long long whole_runs
    cdef void begin_sums(self) noexcept
    cdef bint _moved(self, unsigned long long nth) noexcept
    cdef bint _zone_sums(self, unsigned long long nth) except -1
    cdef bint _block_counts_changed(self, unsigned long long at) noexcept
    cdef bint _reshaped(self, unsigned long long at) noexcept
    cdef bint _heads_wrong(self, unsigned long long zone, int order) noexcept
    cdef bint _special_walk(self, unsigned long long zone) except -1
    cdef unsigned long long _listed_of(self, unsigned long long zone, int migratetype) noexcept
    cdef unsigned long long _pcp_sum(self, unsigned long long nth, unsigned long long zone) except? 0xDEADBEEFDEADBEEF
    cdef bint _high_orders(self, unsigned long long pcp) except -1
