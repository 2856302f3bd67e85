from mmtwin.space.mbind cimport Mbind
from mmtwin.space.words cimport err_ptr, is_err, ptr_err

cdef class Userfaultfd(Mbind):
    cpdef long long uffdio_register(self, unsigned long long mm, unsigned long long ctx, unsigned long long start, unsigned long long length, unsigned long long mode) except? -1000000
    cpdef long long uffdio_unregister(self, unsigned long long mm, unsigned long long ctx, unsigned long long start, unsigned long long length) except? -1000000
    cpdef unsigned long long uffd_first(self, unsigned long long mm, unsigned long long start, unsigned long long length) except? 0xDEADBEEFDEADBEEF
    cpdef bint vma_can_userfault(self, unsigned long long vma, unsigned long long wanted) except -1
    cpdef bint uffd_may_unregister(self, unsigned long long vma, unsigned long long ctx) except -1
    cpdef long long uffd_change(self, unsigned long long mm, unsigned long long vma, unsigned long long start, unsigned long long end, unsigned long long ctx, unsigned long long wanted) except? -1000000
    cpdef unsigned long long uffd_modify(self, unsigned long long mm, unsigned long long prev, unsigned long long vma, unsigned long long start, unsigned long long end, unsigned long long new, unsigned long long ctx) except? 0xDEADBEEFDEADBEEF
