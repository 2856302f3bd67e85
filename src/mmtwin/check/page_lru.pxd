from mmtwin.check cimport of_page
from mmtwin.check.addresses cimport AddressSet
from mmtwin.check.page_words cimport PageWords

cdef class PageLru(PageWords):
    cdef AddressSet lru_listed
    cdef list lru_found
    cdef readonly bint lru_known
    cdef unsigned long long nodes_at, swap_at, flag_lru, flag_head, flag_active, flag_unevictable
    cdef unsigned long long flag_swapbacked, flags_swapcache
    cdef int lru_of(self, unsigned long long flags) noexcept
    cdef unsigned long long zone_of_flags(self, unsigned long long flags) noexcept
    cdef void lru_frame(self, unsigned long long pfn) except *
    cdef void isolated(self, unsigned long long node) except *
    cdef bint swap_slot(self, unsigned long long entry) except -1
