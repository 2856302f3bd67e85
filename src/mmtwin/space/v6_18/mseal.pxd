from mmtwin.space.move_vma cimport Move
from mmtwin.space.v6_18.calls cimport Calls618
from mmtwin.space.words cimport err_ptr, is_err, ptr_err

cdef class Mseal618(Calls618):
    cpdef long long sys_mseal(self, unsigned long long mm, unsigned long long start, unsigned long long length, unsigned long long flags) except? -1000000
    cpdef long long mseal_apply(self, unsigned long long mm, unsigned long long start, unsigned long long end) except? -1000000
    cpdef bint is_sealed(self, unsigned long long vma) except -1
    cpdef bint discard_forbidden(self, unsigned long long vma) except -1
