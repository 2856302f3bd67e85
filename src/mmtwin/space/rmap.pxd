from mmtwin.pages cimport load
from mmtwin.space.thp cimport Thp

cdef class Rmap(Thp):
    cpdef void mlock_vma_pages_range(self, unsigned long long vma, unsigned long long start, unsigned long long end) except *
    cdef int mlock_by_area(self, unsigned long long vma, unsigned long long page) except -1
