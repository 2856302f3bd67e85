from mmtwin.pages cimport load
from mmtwin.space.madvise cimport Madvise

cdef class PrctlVma(Madvise):
    cpdef long long sys_prctl_set_vma(self, unsigned long long mm, unsigned long long option, unsigned long long addr, unsigned long long size, object name) except? -1000000
