from mmtwin.space.v6_18.calls cimport Calls618

cdef class Space618(Calls618):
    cpdef bint vma_is_initial_heap(self, unsigned long long vma) except -1
