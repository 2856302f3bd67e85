from mmtwin.pages cimport load
from mmtwin.space.binfmt_elf cimport BinfmtElf

cdef class ProcMaps(BinfmtElf):
    cdef dict maps_lines
    cpdef bint vma_is_initial_heap(self, unsigned long long vma) except -1
    cpdef bint vma_is_initial_stack(self, unsigned long long vma) except -1
    cdef object maps_key(self, unsigned long long vma)
    cpdef str proc_maps(self, unsigned long long mm)
