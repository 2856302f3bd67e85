from mmtwin.memory.memory cimport Memory
from mmtwin.space.copy_page_range cimport CopyPageRange

cdef class AnonFault(CopyPageRange):
    cpdef unsigned long long do_anonymous_page(self, unsigned long long vma, unsigned long long address, unsigned long long pte, bint write) except? 0xDEADBEEFDEADBEEF
    cpdef void folio_add_lru(self, unsigned long long page, unsigned long long vma) except *
    cpdef unsigned long long do_wp_page(self, unsigned long long vma, unsigned long long address, unsigned long long pte) except? 0xDEADBEEFDEADBEEF
    cpdef bint wp_can_reuse(self, unsigned long long page) except -1
    cpdef void page_move_anon_rmap(self, unsigned long long page, unsigned long long vma) except *
    cpdef void wp_page_reuse(self, unsigned long long vma, unsigned long long pte, unsigned long long entry) except *
    cpdef unsigned long long wp_page_copy(self, unsigned long long vma, unsigned long long address, unsigned long long pte, unsigned long long old, bint unshare) except? 0xDEADBEEFDEADBEEF
