from mmtwin.space.exec cimport Exec

cdef class Exit(Exec):
    cpdef void mmput(self, unsigned long long mm) except *
    cpdef void exit_mmap(self, unsigned long long mm) except *
