from mmtwin.space.v6_18.fork cimport Fork618

cdef class Space618(Fork618):
    cpdef bint vma_is_initial_heap(self, unsigned long long vma) except -1
