from mmtwin.maple.state cimport MaState
from mmtwin.space.lookup cimport Lookup

cdef class VmaAdjust:
    cdef public unsigned long long vma, next, next_next, insert
    cdef public unsigned long long start, end, pgoff
    cdef public unsigned long long adjust_up, adjust_down
    cdef public int remove_next
    cdef public unsigned long long exporter, importer, anon_dup
    cdef void begin(self, unsigned long long vma, unsigned long long start, unsigned long long end, unsigned long long pgoff, unsigned long long insert) noexcept

cdef class Adjust(Lookup):
    cpdef void split_huge_at(self, unsigned long long vma, unsigned long long address) except *
    cpdef long long vma_adjust(self, unsigned long long vma, unsigned long long start, unsigned long long end, unsigned long long pgoff, unsigned long long insert, unsigned long long expand) except? -1000000
    cpdef void vma_adjust_classify(self, VmaAdjust plan, unsigned long long expand) except *
    cpdef long long dup_anon_vma(self, unsigned long long dst, unsigned long long src) except? -1000000
    cpdef void vma_adjust_undo_anon(self, VmaAdjust plan) except *
    cpdef void vma_adjust_store(self, MaState mas, VmaAdjust plan) except *
    cpdef void vma_remove_merged(self, unsigned long long vma, unsigned long long gone, bint last) except *
    cpdef void vma_mas_store(self, unsigned long long vma, MaState mas) except *
    cpdef void vma_mas_szero(self, MaState mas, unsigned long long start, unsigned long long end) except *
