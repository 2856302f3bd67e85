from mmtwin.space.v6_18.mmap cimport Mmap618

cdef class Space618(Mmap618):
    cpdef bint vma_is_initial_heap(self, unsigned long long vma) except -1
