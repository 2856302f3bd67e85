from mmtwin.maple.state cimport MaState
from mmtwin.pages cimport load, store
from mmtwin.space.exit cimport Exit

cdef class Fork(Exit):
    cpdef unsigned long long mm_alloc(self, unsigned long long task) except? 0xDEADBEEFDEADBEEF
    cpdef long long dup_mm(self, unsigned long long oldmm, unsigned long long mm) except? -1000000
    cpdef long long dup_vmas(self, unsigned long long oldmm, unsigned long long mm) except? -1000000
    cpdef unsigned long long dup_vma(self, unsigned long long mm, unsigned long long mpnt) except? 0xDEADBEEFDEADBEEF
    cpdef void dup_vma_undo(self, unsigned long long tmp) except *
    cpdef void dup_vma_link(self, unsigned long long mm, unsigned long long tmp) except *
    cpdef bint mm_alloc_pgd(self, unsigned long long mm) except -1
    cpdef long long dup_pages(self, unsigned long long tmp, unsigned long long mpnt) except? -1000000
    cpdef long long copy_page_range(self, unsigned long long dst, unsigned long long src) except? -1000000
