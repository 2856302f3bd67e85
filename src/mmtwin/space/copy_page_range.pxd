from mmtwin.memory.memory cimport Memory
from mmtwin.pages cimport load
from mmtwin.space.zap cimport Zap

cdef class CopyPageRange(Zap):
    cpdef bint vma_needs_copy(self, unsigned long long dst, unsigned long long src) except -1
    cpdef long long copy_page_range(self, unsigned long long dst, unsigned long long src) except? -1000000
    cpdef long long copy_huge_pmd(self, unsigned long long dst, unsigned long long src, unsigned long long to, unsigned long long pmd, unsigned long long address) except? -1000000
    cpdef void copy_pte_range(self, unsigned long long dst, unsigned long long src, unsigned long long to, unsigned long long pte, unsigned long long count) except *
    cpdef void copy_nonpresent_pte(self, unsigned long long dst, unsigned long long to, unsigned long long pte, unsigned long long entry, bint cow) except *
