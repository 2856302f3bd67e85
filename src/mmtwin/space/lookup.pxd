from mmtwin.maple.maple cimport Maple
from mmtwin.maple.state cimport MaState, cursor
from mmtwin.space.vma_alloc cimport VmaAlloc

cdef class Lookup(VmaAlloc):
    cdef readonly Maple maple
    cdef MaState glance
    cdef MaState vma_iterator(self, unsigned long long mm, unsigned long long addr)
    cdef MaState glance_at(self, unsigned long long mm, unsigned long long addr)
    cpdef unsigned long long find_vma(self, unsigned long long mm, unsigned long long addr) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long find_vma_intersection(self, unsigned long long mm, unsigned long long start, unsigned long long end) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long vma_lookup(self, unsigned long long mm, unsigned long long addr) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long vma_prev(self, unsigned long long mm, unsigned long long addr) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long count_vma_pages_range(self, unsigned long long mm, unsigned long long addr, unsigned long long end) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long find_mergeable_anon_vma(self, unsigned long long vma) except? 0xDEADBEEFDEADBEEF
    cpdef long long anon_vma_prepare(self, unsigned long long vma) except? -1000000
