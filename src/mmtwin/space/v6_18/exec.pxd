from mmtwin.space.v6_18.fork cimport Fork618
from mmtwin.space.v6_18.merge cimport VmaMerge, merge_attempt

cdef class Exec618(Fork618):
    cpdef long long shift_arg_pages(self, unsigned long long vma, unsigned long long shift) except? -1000000
    cpdef long long vma_shrink(self, unsigned long long vma, unsigned long long start, unsigned long long end, unsigned long long pgoff) except? -1000000
