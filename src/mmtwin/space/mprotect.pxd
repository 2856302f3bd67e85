from mmtwin.pages cimport load
from mmtwin.space.brk cimport Brk
from mmtwin.space.words cimport err_ptr, is_err, ptr_err

cdef class Mprotect(Brk):
    cpdef long long sys_mprotect(self, unsigned long long mm, unsigned long long start, unsigned long long length, unsigned long long prot) except? -1000000
    cpdef long long sys_pkey_mprotect(self, unsigned long long mm, unsigned long long start, unsigned long long length, unsigned long long prot, unsigned long long pkey) except? -1000000
    cpdef long long do_mprotect_pkey(self, unsigned long long mm, unsigned long long start, unsigned long long length, unsigned long long prot, unsigned long long pkey) except? -1000000
    cpdef bint mm_pkey_is_allocated(self, unsigned long long pkey) except -1
    cpdef long long mprotect_areas(self, unsigned long long mm, unsigned long long vma, unsigned long long start, unsigned long long end, unsigned long long prot, unsigned long long pkey) except? -1000000
    cpdef unsigned long long mprotect_next(self, unsigned long long done, unsigned long long upto) except? 0xDEADBEEFDEADBEEF
    cpdef long long mprotect_failed(self, unsigned long long error) except? -1000000
    cpdef long long mprotect_hole(self, unsigned long long prev, unsigned long long at, unsigned long long end) except? -1000000
    cpdef unsigned long long mprotect_fixup(self, unsigned long long mm, unsigned long long vma, unsigned long long prev, unsigned long long start, unsigned long long end, unsigned long long new) except? 0xDEADBEEFDEADBEEF
    cpdef void change_protection(self, unsigned long long vma, unsigned long long start, unsigned long long end, unsigned long long old) except *
    cpdef unsigned long long mprotect_account(self, unsigned long long vma, unsigned long long old, unsigned long long new) except? 0xDEADBEEFDEADBEEF
    cpdef void vm_flags_reset(self, unsigned long long vma, unsigned long long new) except *
    cpdef unsigned long long vma_flags_kept(self, unsigned long long vma, unsigned long long new) except? 0xDEADBEEFDEADBEEF
