from mmtwin.pages cimport load, store
from mmtwin.space.fork cimport Fork

cdef class Exec(Fork):
    cdef readonly object special_mappings
    cpdef void arch_pick_mmap_layout(self, unsigned long long mm) except *
