from mmtwin.pages cimport load, store
from mmtwin.pages.isolation cimport Isolation

cdef class Prep(Isolation):
    cpdef int bad_page(self, unsigned long long page, str reason, str where) except -1
    cpdef str page_bad_reason(self, unsigned long long page, unsigned long long flags, str moment)
    cpdef int check_new_page(self, unsigned long long page, unsigned long long zone) except -1
    cpdef int check_new_pages(self, unsigned long long page, int order, unsigned long long zone) except -1
    cpdef int prep_new_page(self, unsigned long long page, int order, bint compound, bint zeroed) except -1
    cpdef int prep_compound_page(self, unsigned long long page, int order) except -1
    cpdef int free_tail_pages_check(self, unsigned long long head, unsigned long long page, unsigned long long nth) except -1
    cpdef str head_reason(self)
    cpdef bint free_page_is_bad(self, unsigned long long page) except -1
    cpdef bint free_pages_prepare(self, unsigned long long page, int order) except -1
    cdef int _clear_prep_flags(self, unsigned long long page) except -1
    cpdef int split_page(self, unsigned long long page, int order) except -1
