from mmtwin.space.remap_file_pages cimport RemapFilePages

cdef class Msync(RemapFilePages):
    cpdef long long sys_msync(self, unsigned long long mm, unsigned long long start, unsigned long long length, unsigned long long flags) except? -1000000
    cpdef long long sys_mincore(self, unsigned long long mm, unsigned long long start, unsigned long long length) except? -1000000
