from mmtwin.pages cimport load, store
from mmtwin.pages.pages cimport Pages
from mmtwin.space.page_table cimport PageTable

cdef class PageState(PageTable):
    cdef unsigned long long at_rss_stat, rss_stride, at_hiwater_rss
    cdef readonly unsigned long long zero_pfn
    cdef readonly unsigned long long pg_locked, pg_referenced, pg_uptodate, pg_dirty, pg_swapbacked
    cdef readonly unsigned long long pg_swapcache, pg_anon_exclusive, pg_head
    cpdef void take_pages(self, Pages pages) except *
    cpdef unsigned long long rss(self, unsigned long long mm, unsigned long long member) except? 0xDEADBEEFDEADBEEF
    cpdef void add_mm_counter(self, unsigned long long mm, unsigned long long member, long long change) except *
    cpdef unsigned long long mm_rss(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cpdef void check_mm(self, unsigned long long mm) except *
    cpdef void update_hiwater_rss(self, unsigned long long mm) except *
    cpdef unsigned long long page_of(self, unsigned long long entry) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long pfn_of(self, unsigned long long entry) except? 0xDEADBEEFDEADBEEF
    cpdef bint pte_present(self, unsigned long long entry) except -1
    cpdef unsigned long long vm_normal_page(self, unsigned long long entry) except? 0xDEADBEEFDEADBEEF
    cpdef bint page_flag(self, unsigned long long page, unsigned long long flag) except -1
    cpdef void set_page_flag(self, unsigned long long page, unsigned long long flag) except *
    cpdef void clear_page_flag(self, unsigned long long page, unsigned long long flag) except *
    cpdef bint page_exclusive(self, unsigned long long page) except -1
    cpdef void set_page_exclusive(self, unsigned long long page, bint exclusive) except *
    cpdef bint page_anon(self, unsigned long long page) except -1
    cpdef unsigned long long page_index(self, unsigned long long page) except? 0xDEADBEEFDEADBEEF
    cpdef void set_page_mapping(self, unsigned long long page, unsigned long long mapping, unsigned long long index) except *
    cpdef unsigned long long mapcount(self, unsigned long long page) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mapcount_add(self, unsigned long long page, int change) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mm_counter(self, unsigned long long page) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long alloc_user_page(self) except? 0xDEADBEEFDEADBEEF
    cpdef void put_user_page(self, unsigned long long page) except *
    cpdef void page_add_new_anon_rmap(self, unsigned long long page, unsigned long long vma, unsigned long long address) except *
    cpdef void page_add_file_rmap(self, unsigned long long page) except *
    cpdef void mlock_vma_page(self, unsigned long long page, unsigned long long vma) except *
    cpdef void munlock_vma_page(self, unsigned long long page, unsigned long long vma) except *
    cpdef bint single(self, unsigned long long page) except -1
    cpdef void page_remove_rmap(self, unsigned long long page) except *
    cpdef unsigned long long linear_page_index(self, unsigned long long vma, unsigned long long address) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long page_prot(self, unsigned long long vma) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mk_pte(self, unsigned long long page, unsigned long long prot) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long pfn_pte(self, unsigned long long pfn, unsigned long long prot) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long pte_modify(self, unsigned long long entry, unsigned long long prot) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long pte_mkdirty(self, unsigned long long entry) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long maybe_mkwrite(self, unsigned long long entry, unsigned long long vma) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long pte_wrprotect(self, unsigned long long entry) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long pte_mkyoung(self, unsigned long long entry) except? 0xDEADBEEFDEADBEEF
