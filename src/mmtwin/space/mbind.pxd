from mmtwin.space.sysv_shm cimport SysvShm

cdef class Mbind(SysvShm):
    cpdef long long sys_mbind(self, unsigned long long mm, unsigned long long start, unsigned long long length, unsigned long long mode, unsigned long long nmask, unsigned long long maxnode, unsigned long long flags, unsigned long long nodes=*) except? -1000000
    cdef bint mpol_balances(self, unsigned long long mode) except -1
    cpdef bint mpol_nodes_fit(self, unsigned long long mode, unsigned long long mode_flags, unsigned long long nodes) except -1
    cpdef long long mbind_ranges(self, unsigned long long mm, unsigned long long start, unsigned long long end, unsigned long long policy) except? -1000000
    cpdef unsigned long long mbind_range(self, unsigned long long mm, unsigned long long prev, unsigned long long vma, unsigned long long start, unsigned long long end, unsigned long long policy) except? 0xDEADBEEFDEADBEEF
    cpdef bint mbind_hole(self, unsigned long long mm, unsigned long long vma, unsigned long long start, unsigned long long end) except -1
