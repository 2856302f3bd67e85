cimport cython

from mmtwin.check.addresses cimport AddressSet
from mmtwin.check.overlay cimport Words
from mmtwin.pages.page_alloc cimport PageAlloc

cdef class PageWords(Words):
    cdef readonly PageAlloc pages
    cdef unsigned char *d
    cdef unsigned long long memmap, frames, bitmap
    cdef unsigned long long o_lru, o_counts, o_private, o_compound, flag_tail, flag_head, buddy_mask, buddy_value, word_free
    cdef int refcount_shift, order_max, block_order, block_bits, types, pcp_lists, merge_orders, zones_max
    cdef unsigned long long special
    cdef readonly bint strict_types, reserve
    cdef readonly list found
    cdef AddressSet listed, special_listed
    cdef unsigned long long listed_pages
    cpdef void fail(self, str invariant, str kind, unsigned long long address, str field, object found, object expected) except *
    cpdef void fail_page(self, str invariant, unsigned long long pfn, str field, object found, object expected) except *
    @cython.final
    cdef unsigned long long word(self, unsigned long long address) noexcept
    @cython.final
    cdef unsigned long long of_page(self, unsigned long long pfn, unsigned long long offset) noexcept
    @cython.final
    cdef unsigned long long link(self, unsigned long long entry, bint back) noexcept
    @cython.final
    cdef bint tail(self, unsigned long long pfn) noexcept
    @cython.final
    cdef int marked(self, unsigned long long pfn) noexcept
    @cython.final
    cdef bint pristine_head(self, unsigned long long zone, unsigned long long pfn) noexcept
    @cython.final
    cdef unsigned long long block_flags(self, unsigned long long pfn) noexcept
    @cython.final
    cdef int block_type(self, unsigned long long pfn) noexcept
    @cython.final
    cdef unsigned long long zone_end(self, unsigned long long zone) noexcept
    @cython.final
    cdef unsigned long long cover(self, unsigned long long zone, unsigned long long pfn, int order) noexcept
