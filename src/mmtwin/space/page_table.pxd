from mmtwin.pages cimport load, store
from mmtwin.pages.pages cimport Pages
from mmtwin.space.proc_maps cimport ProcMaps

cdef class PageTable(ProcMaps):
    cdef unsigned long long at_pgd, at_pgtables_bytes
    cdef readonly unsigned long long table_type
    cdef int top_level, map_shift
    cdef public bint translates
    cpdef void take_pages(self, Pages pages) except *
    cpdef bint mm_alloc_pgd(self, unsigned long long mm) except -1
    cpdef void mm_free_pgd(self, unsigned long long mm) except *
    cpdef unsigned long long pgd(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long pgtables_bytes(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long pt_alloc_one(self, unsigned long long mm, unsigned long long address, int level) except? 0xDEADBEEFDEADBEEF
    cpdef void mark_table(self, unsigned long long page, unsigned long long mm) except *
    cpdef void unmark_table(self, unsigned long long page) except *
    cpdef void place_table(self, unsigned long long page, unsigned long long address, int level) except *
    cpdef unsigned long long table_page(self, unsigned long long table) except? 0xDEADBEEFDEADBEEF
    cpdef void pt_free(self, unsigned long long table) except *
    cpdef void count_tables(self, unsigned long long mm, int level, bint more) except *
    cpdef unsigned long long table_of(self, unsigned long long entry) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long entry_of(self, unsigned long long table) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long ptep_get(self, unsigned long long pte) except? 0xDEADBEEFDEADBEEF
    cpdef void set_pte(self, unsigned long long pte, unsigned long long entry) except *
    cpdef unsigned long long pmdp_get(self, unsigned long long pmd) except? 0xDEADBEEFDEADBEEF
    cpdef void set_pmd(self, unsigned long long pmd, unsigned long long entry) except *
    cpdef unsigned long long walk(self, unsigned long long mm, unsigned long long address, int level) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long pmd_offset(self, unsigned long long mm, unsigned long long address) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long pmd_alloc(self, unsigned long long mm, unsigned long long address) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long entry_alloc(self, unsigned long long mm, unsigned long long address, int level) except? 0xDEADBEEFDEADBEEF
    cpdef bint pte_alloc(self, unsigned long long mm, unsigned long long pmd, unsigned long long address) except -1
    cpdef void pte_free(self, unsigned long long mm, unsigned long long pmd) except *
    cpdef bint pmd_trans_huge(self, unsigned long long entry) except -1
    cpdef unsigned long long pte_offset(self, unsigned long long pmd_entry, unsigned long long address) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long pte_at(self, unsigned long long mm, unsigned long long address) except? 0xDEADBEEFDEADBEEF
    cpdef void pgtable_trans_huge_deposit(self, unsigned long long pmd, unsigned long long table) except *
    cpdef unsigned long long pgtable_trans_huge_withdraw(self, unsigned long long pmd, unsigned long long address) except? 0xDEADBEEFDEADBEEF
    cpdef void free_pgd_range(self, unsigned long long mm, unsigned long long addr, unsigned long long end, unsigned long long floor, unsigned long long ceiling) except *
    cdef void _free_range(self, unsigned long long mm, unsigned long long table, int level, unsigned long long addr, unsigned long long end, unsigned long long floor, unsigned long long ceiling) except *
    cdef bint _table_is_free(self, unsigned long long start, unsigned long long past, unsigned long long size, unsigned long long floor, unsigned long long ceiling) except -1
