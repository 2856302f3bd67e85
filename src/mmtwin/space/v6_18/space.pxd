from mmtwin.space.v6_18.exec cimport Exec618

cdef class Space618(Exec618):
    cpdef bint vma_is_initial_heap(self, unsigned long long vma) except -1
