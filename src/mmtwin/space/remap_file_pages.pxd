from mmtwin.space.mremap cimport Mremap
from mmtwin.space.words cimport failed

cdef class RemapFilePages(Mremap):
    cpdef long long sys_remap_file_pages(self, unsigned long long mm, unsigned long long start, unsigned long long size, unsigned long long prot, unsigned long long pgoff, unsigned long long map_flags) except? -1000000
    cpdef bint remap_range_uniform(self, unsigned long long mm, unsigned long long vma, unsigned long long end) except -1
