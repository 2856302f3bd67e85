from mmtwin.maple.state cimport MaState
from mmtwin.space.mmap cimport Mmap

cdef class Brk(Mmap):
    cpdef long long sys_brk(self, unsigned long long mm, unsigned long long brk) except? -1000000
    cpdef bint brk_shrink(self, unsigned long long mm, unsigned long long brk, unsigned long long newbrk, unsigned long long oldbrk) except -1
    cpdef bint brk_grow(self, unsigned long long mm, unsigned long long oldbrk, unsigned long long newbrk) except -1
    cpdef long long check_brk_limits(self, unsigned long long mm, unsigned long long addr, unsigned long long length) except? -1000000
    cpdef long long do_brk_munmap(self, MaState mas, unsigned long long mm, unsigned long long newbrk, unsigned long long oldbrk) except? -1000000
    cpdef long long do_brk_flags(self, MaState mas, unsigned long long mm, unsigned long long vma, unsigned long long addr, unsigned long long length, unsigned long long extra_flags) except? -1000000
    cpdef unsigned long long data_default_flags(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cpdef bint can_brk_extend(self, unsigned long long vma, unsigned long long vm_flags, unsigned long long addr) except -1
    cpdef long long brk_extend(self, MaState mas, unsigned long long vma, unsigned long long end) except? -1000000
    cpdef long long vm_brk_flags(self, unsigned long long mm, unsigned long long addr, unsigned long long length, unsigned long long extra_flags) except? -1000000
