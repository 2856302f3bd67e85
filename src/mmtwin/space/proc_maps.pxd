from mmtwin.space.exit cimport Exit

cdef class ProcMaps(Exit):
    cdef dict maps_lines
    cpdef bint vma_is_initial_heap(self, unsigned long long vma) except -1
    cpdef bint vma_is_initial_stack(self, unsigned long long vma) except -1
    cdef object maps_key(self, unsigned long long vma, unsigned long long mm)
    cpdef str proc_maps(self, unsigned long long mm)
