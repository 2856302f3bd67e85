from mmtwin.memory.memory cimport Memory
from mmtwin.pages cimport load, store
from mmtwin.space cimport load32, store32
from mmtwin.space.madvise_pages cimport MadvisePages

cdef class Thp(MadvisePages):
    cdef unsigned long long huge_zero_at
    cdef readonly int hpage_order
    cdef readonly unsigned long long hpage_nr
    cdef bint huge_may_upgrade, huge_zero_upgrades
    cpdef dict page_facts(self)
    cpdef unsigned long long compound_mapcount(self, unsigned long long head) except? 0xDEADBEEFDEADBEEF
    cpdef void compound_mapcount_add(self, unsigned long long head, int change) except *
    cpdef unsigned long long mapcount(self, unsigned long long page) except? 0xDEADBEEFDEADBEEF
    cpdef bint is_huge_zero_pmd(self, unsigned long long entry) except -1
    cpdef unsigned long long alloc_huge_page(self) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long get_huge_zero_page(self) except? 0xDEADBEEFDEADBEEF
    cpdef bint thp_possible(self, unsigned long long vma) except -1
    cpdef bint thp_vma_allowable(self, unsigned long long vma, unsigned long long address) except -1
    cpdef unsigned long long create_huge_pmd(self, unsigned long long vma, unsigned long long address, unsigned long long pmd, bint write) except? 0xDEADBEEFDEADBEEF
    cpdef void map_new_huge(self, unsigned long long vma, unsigned long long start, unsigned long long pmd, unsigned long long head, unsigned long long table) except *
    cpdef void put_huge_pmd(self, unsigned long long mm, unsigned long long pmd, unsigned long long table, unsigned long long entry) except *
    cpdef unsigned long long huge_pmd_fault(self, unsigned long long vma, unsigned long long address, unsigned long long pmd, bint write) except? 0xDEADBEEFDEADBEEF
    cpdef bint replace_huge_zero(self, unsigned long long vma, unsigned long long pmd, unsigned long long address) except -1
    cpdef bint split_huge_pmd(self, unsigned long long vma, unsigned long long pmd, unsigned long long address) except -1
    cpdef void munlock_huge(self, unsigned long long vma, unsigned long long head) except *
    cpdef void split_huge_at(self, unsigned long long vma, unsigned long long address) except *
    cpdef bint huge_or_split(self, unsigned long long vma, unsigned long long pmd, unsigned long long start, unsigned long long end) except -1
    cpdef unsigned long long zap_huge_pmd(self, unsigned long long vma, unsigned long long pmd, unsigned long long start, unsigned long long end) except? 0xDEADBEEFDEADBEEF
    cpdef long long copy_huge_pmd(self, unsigned long long dst, unsigned long long src, unsigned long long to, unsigned long long pmd, unsigned long long address) except? -1000000
    cpdef unsigned long long change_huge_pmd(self, unsigned long long vma, unsigned long long pmd, unsigned long long start, unsigned long long end) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long advise_huge_pmd(self, unsigned long long vma, unsigned long long pmd, unsigned long long start, unsigned long long end, unsigned long long advice) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long gup_unshare(self, unsigned long long vma, unsigned long long address) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long leaf_entry(self, unsigned long long mm, unsigned long long address) except? 0xDEADBEEFDEADBEEF
