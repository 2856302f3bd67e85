from mmtwin.space.mprotect cimport Mprotect
from mmtwin.space.words cimport is_err, ptr_err

cdef class Mlock(Mprotect):
    cpdef long long sys_mlock(self, unsigned long long mm, unsigned long long start, unsigned long long length) except? -1000000
    cpdef long long sys_mlock2(self, unsigned long long mm, unsigned long long start, unsigned long long length, unsigned long long flags) except? -1000000
    cpdef long long sys_munlock(self, unsigned long long mm, unsigned long long start, unsigned long long length) except? -1000000
    cpdef long long sys_mlockall(self, unsigned long long mm, unsigned long long flags) except? -1000000
    cpdef long long sys_munlockall(self, unsigned long long mm) except? -1000000
    cpdef long long do_mlock(self, unsigned long long mm, unsigned long long start, unsigned long long length, unsigned long long vm_flags) except? -1000000
    cpdef unsigned long long count_mm_mlocked_page_nr(self, unsigned long long mm, unsigned long long start, unsigned long long length) except? 0xDEADBEEFDEADBEEF
    cpdef long long apply_vma_lock_flags(self, unsigned long long mm, unsigned long long start, unsigned long long length, unsigned long long vm_flags) except? -1000000
    cpdef long long mlock_hole(self, unsigned long long prev, unsigned long long at, unsigned long long end) except? -1000000
    cpdef unsigned long long mlock_fixup(self, unsigned long long mm, unsigned long long vma, unsigned long long prev, unsigned long long start, unsigned long long end, unsigned long long new) except? 0xDEADBEEFDEADBEEF
    cpdef void mlock_vma_pages_range(self, unsigned long long vma, unsigned long long start, unsigned long long end) except *
    cpdef void apply_mlockall_flags(self, unsigned long long mm, unsigned long long flags) except *
