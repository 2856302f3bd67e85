from mmtwin.maple.state cimport MaState
from mmtwin.memory.memory cimport Memory
from mmtwin.pages cimport load
from mmtwin.space.page_cache cimport PageCache

cdef class Zap(PageCache):
    cpdef void unmap_vmas(self, MaState mas) except *
    cpdef void free_pgtables(self, MaState mas, unsigned long long floor, unsigned long long ceiling) except *
    cpdef void free_region_tables(self, MaState mas) except *
    cpdef bint may_have_tables(self, unsigned long long mm) except -1
    cpdef void zap_page_range(self, unsigned long long vma, unsigned long long start, unsigned long long end) except *
    cpdef void unmap_page_range(self, unsigned long long vma, unsigned long long start, unsigned long long end, bint even_cows) except *
    cpdef unsigned long long next_table(self, unsigned long long mm, unsigned long long address, unsigned long long end) except? 0xDEADBEEFDEADBEEF
    cpdef bint pmd_is_leaf(self, unsigned long long entry) except -1
    cpdef unsigned long long zap_huge_pmd(self, unsigned long long vma, unsigned long long pmd, unsigned long long start, unsigned long long end) except? 0xDEADBEEFDEADBEEF
    cpdef void zap_pte_range(self, unsigned long long vma, unsigned long long pte, unsigned long long start, unsigned long long end, bint even_cows) except *
    cpdef void zap_swap_pte(self, unsigned long long mm, unsigned long long pte, unsigned long long entry) except *
    cpdef void mark_page_accessed(self, unsigned long long page) except *
