from mmtwin.pages cimport load, place, store
from mmtwin.memory.memory cimport Memory

cdef class MemMap:
    cdef readonly Memory memory
    cdef readonly object era, types
    cdef readonly unsigned long long memmap, frames
    cdef unsigned long long shift
    cdef readonly unsigned long long o_lru, o_mapping, o_index, o_private, o_counts, o_compound
    cdef unsigned long long o_order
    cdef int mapcount_shift, refcount_shift, order_shift
    cdef readonly unsigned long long word_free, word_buddy, buddy_mask, buddy_value
    cdef readonly unsigned long long flag_head, flag_tail, flag_reserved, flag_lru
    cdef readonly unsigned long long mask_at_free, mask_at_prep
    cdef readonly int order_max, pageblock_order
    cdef readonly unsigned long long pageblock_nr_pages, chunk_stride
    cdef readonly bint boot_to_tail
    cpdef unsigned long long pfn_to_page(self, unsigned long long pfn) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long page_to_pfn(self, unsigned long long page) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long ld(self, unsigned long long address) except? 0xDEADBEEFDEADBEEF
    cpdef int st(self, unsigned long long address, unsigned long long value) except -1
    cpdef int add_to(self, unsigned long long address, long long delta) except -1
    cpdef bint pristine(self, unsigned long long page) except -1
    cpdef unsigned long long page_flags(self, unsigned long long page) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long page_private(self, unsigned long long page) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long page_ref_count(self, unsigned long long page) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long page_mapcount(self, unsigned long long page) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long page_mapping(self, unsigned long long page) except? 0xDEADBEEFDEADBEEF
    cpdef int get_pcppage_migratetype(self, unsigned long long page) except -1
    cpdef int set_pcppage_migratetype(self, unsigned long long page, int migratetype) except -1
    cpdef unsigned long long page_ref_add(self, unsigned long long page, long long delta) except? 0xDEADBEEFDEADBEEF
    cpdef bint put_page_testzero(self, unsigned long long page) except -1
    cpdef int get_page(self, unsigned long long page) except -1
    cpdef int set_page_refcounted(self, unsigned long long page) except -1
    cpdef int init_single_page(self, unsigned long long page, unsigned long long flags) except -1
    cpdef bint page_tail(self, unsigned long long page) except -1
    cpdef bint page_head(self, unsigned long long page) except -1
    cpdef unsigned long long compound_head(self, unsigned long long page) except? 0xDEADBEEFDEADBEEF
    cpdef int compound_order(self, unsigned long long page) except -1
    cpdef bint page_buddy(self, unsigned long long page) except -1
    cpdef int set_buddy_order(self, unsigned long long page, int order) except -1
    cpdef int clear_page_buddy(self, unsigned long long page) except -1
    cdef int _not_free(self, unsigned long long page, str condition, str where) except -1
    cpdef int page_bug(self, str condition, str where, unsigned long long page) except -1
    cpdef unsigned long long link_next(self, unsigned long long entry) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long link_prev(self, unsigned long long entry) except? 0xDEADBEEFDEADBEEF
    cpdef int list_init(self, unsigned long long head) except -1
    cpdef bint list_empty(self, unsigned long long head) except -1
    cpdef int list_add(self, unsigned long long entry, unsigned long long head) except -1
    cpdef int list_add_tail(self, unsigned long long entry, unsigned long long head) except -1
    cdef int _link(self, unsigned long long entry, unsigned long long before, unsigned long long after) except -1
    cpdef int list_del(self, unsigned long long entry) except -1
