from mmtwin.check cimport of_page, was_word
from mmtwin.check.page_sums cimport PageSums

cdef class PageLruStep(PageSums):
    cdef bint _linked(self, unsigned long long pfn) noexcept
    cdef bint lru_page_wrong(self, unsigned long long nth, unsigned long long page, unsigned long long pfn) except -1
    cdef long long lru_size(self, unsigned long long pfn, unsigned long long flags) except? -1
    cdef long long lru_size_was(self, unsigned long long pfn, unsigned long long was) noexcept
    cdef bint lru_wrong(self) except -1
    cdef bint _lru_moved(self) noexcept
    cdef bint _zone_count_wrong(self, unsigned long long nth, unsigned long long lru) noexcept
    cdef bint slots_wrong(self) except -1
