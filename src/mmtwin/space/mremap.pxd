from mmtwin.space.move_vma cimport Move, MoveVma
from mmtwin.space.words cimport failed

cdef class Mremap(MoveVma):
    cpdef long long sys_mremap(self, unsigned long long mm, unsigned long long addr, unsigned long long old_len, unsigned long long new_len, unsigned long long flags, unsigned long long new_addr) except? -1000000
    cdef bint align_hugetlb(self, Move move) except -1
    cpdef long long mremap_done(self, Move move, long long result) except? -1000000
    cpdef long long mremap_at(self, Move move) except? -1000000
    cpdef bint vma_expandable(self, unsigned long long vma, unsigned long long delta) except -1
    cpdef long long expand_vma_in_place(self, Move move, unsigned long long delta) except? -1000000
    cpdef unsigned long long mremap_extend(self, unsigned long long vma, unsigned long long addr, unsigned long long delta) except? 0xDEADBEEFDEADBEEF
    cpdef long long mremap_to(self, Move move) except? -1000000
    cpdef long long mremap_place(self, Move move) except? -1000000
    cpdef long long mremap_to_checked(self, Move move) except? -1000000
    cpdef long long mremap_unmapped_area(self, Move move, unsigned long long hint, unsigned long long map_flags) except? -1000000
    cpdef long long vma_to_resize(self, Move move) except? -1000000
