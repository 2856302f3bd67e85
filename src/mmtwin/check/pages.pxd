from mmtwin.check cimport of_page
from mmtwin.check.page_lru cimport PageLru

cdef class PageCheck(PageLru):
    cpdef list full(self)
    cdef void zone(self, unsigned long long zone) except *
    cdef unsigned long long free_list(self, unsigned long long zone, int order, int migratetype) except? 0xDEADBEEFDEADBEEF
    cdef bint entry_ok(self, unsigned long long entry, unsigned long long before) except -1
    cdef void head(self, unsigned long long zone, unsigned long long pfn, int order) except *
    cdef void unmerged(self, unsigned long long zone, unsigned long long pfn, int order) except *
    cdef void placed(self, unsigned long long pfn, int order, int migratetype) except *
    cdef void counters(self, unsigned long long zone, unsigned long long isolated, unsigned long long cma) except *
    cdef void conserved(self, unsigned long long zone, unsigned long long listed, unsigned long long pcp) except *
    cdef unsigned long long pcp_pages(self, unsigned long long zone) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long pcp(self, unsigned long long zone, int cpu) except? 0xDEADBEEFDEADBEEF
    cdef void pcp_page(self, unsigned long long zone, unsigned long long pfn) except *
    cdef void scan(self, unsigned long long zone) except *
    cdef void frame(self, unsigned long long zone, unsigned long long pfn) except *
    cdef void blocks(self, unsigned long long zone) except *
    cpdef void set_apart(self, unsigned long long zone, unsigned long long typed) except *
    cdef void number(self, unsigned long long zone, str invariant, str field, unsigned long long offset, unsigned long long expected) except *
    cdef void marks(self, unsigned long long zone) except *
