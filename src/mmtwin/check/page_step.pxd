from mmtwin.check cimport of_page, was_word
from mmtwin.check.page_lru_step cimport PageLruStep

cdef class PageStepCheck(PageLruStep):
    cpdef list touched(self, unsigned long long mark)
    cpdef list touched_now(self)
    cdef bint suspicious(self) except -1
    cdef void _other_block(self, unsigned long long block) except *
    cdef unsigned long long _was(self, unsigned long long nth, unsigned long long page, unsigned long long offset) noexcept
    cdef unsigned long long _zone_number(self, unsigned long long pfn) noexcept
    cdef bint _struct_pages(self, unsigned long long nth, unsigned long long block) except -1
    cdef bint _as_it_was(self, unsigned long long nth, unsigned long long pfn, unsigned long long page) noexcept
    cdef bint _shuffled(self, unsigned long long nth, unsigned long long page, unsigned long long pfn) noexcept
    cdef bint _was_pristine(self, unsigned long long zone, unsigned long long pfn) noexcept
    cdef bint _was_on_pcp(self, unsigned long long nth, unsigned long long page, unsigned long long counts) except -1
    cdef bint _on_pcp(self, unsigned long long counts, unsigned long long link, unsigned long long flags) noexcept
    cdef bint _left_behind(self, unsigned long long nth, unsigned long long page, unsigned long long pfn) noexcept
    cdef bint _page_wrong(self, unsigned long long zone, unsigned long long pfn, int order, int before, bint used) except -1
    cdef bint _covers_used(self, unsigned long long zone, unsigned long long pfn, int order) noexcept
    cdef int _old_order(self, unsigned long long zone, unsigned long long pfn) noexcept
    cdef bint _misplaced(self, unsigned long long zone, unsigned long long pfn, int order) except -1
    cdef bint _list_wrong(self, unsigned long long zone, unsigned long long head, unsigned long long pfn, int order) except -1
    cdef bint _special_in_use(self, unsigned long long zone, unsigned long long pfn, int order) noexcept
    cdef bint _retyped(self) except -1
    cdef bint _block_wrong(self, unsigned long long block) except -1
    cdef bint _pristine_wrong(self, unsigned long long pfn) except -1
