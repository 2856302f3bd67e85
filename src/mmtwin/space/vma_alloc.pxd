from mmtwin.space cimport copy
from mmtwin.space.anon_vma cimport AnonVma

cdef class VmaAlloc(AnonVma):
    cpdef unsigned long long vm_area_alloc(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long vm_area_dup(self, unsigned long long orig) except? 0xDEADBEEFDEADBEEF
    cpdef void vm_area_free(self, unsigned long long vma) except *
    cpdef void vma_open(self, unsigned long long vma) except *
    cpdef void vma_close(self, unsigned long long vma) except *
    cpdef void remove_vma(self, unsigned long long vma) except *
    cdef void vma_set_range(self, unsigned long long vma, unsigned long long start, unsigned long long end, unsigned long long pgoff) except *
    cdef bint vma_is_anonymous(self, unsigned long long vma) except -1
    cdef bint vma_is_accessible(self, unsigned long long vma) except -1
    cpdef unsigned long long vm_start_gap(self, unsigned long long vma) except? 0xDEADBEEFDEADBEEF
