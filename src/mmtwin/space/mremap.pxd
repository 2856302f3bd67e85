from mmtwin.space.prctl_vma cimport PrctlVma
from mmtwin.space.words cimport err_ptr, is_err, ptr_err

cdef class Move:
    cdef public unsigned long long mm, addr, old_len, new_len, flags, new_addr, vma
    cdef public bint populate

cdef class Mremap(PrctlVma):
    cpdef long long sys_mremap(self, unsigned long long mm, unsigned long long addr, unsigned long long old_len, unsigned long long new_len, unsigned long long flags, unsigned long long new_addr) except? -1000000
    cpdef long long mremap_done(self, Move move, long long result) except? -1000000
    cpdef long long mremap_at(self, Move move) except? -1000000
    cpdef bint vma_expandable(self, unsigned long long vma, unsigned long long delta) except -1
    cpdef long long expand_vma_in_place(self, Move move, unsigned long long delta) except? -1000000
    cpdef unsigned long long mremap_extend(self, unsigned long long vma, unsigned long long addr, unsigned long long delta) except? 0xDEADBEEFDEADBEEF
    cpdef long long mremap_to(self, Move move) except? -1000000
    cpdef bint mremap_near_limit(self, unsigned long long mm, unsigned long long more) except -1
    cpdef long long mremap_place(self, Move move) except? -1000000
    cpdef long long mremap_to_checked(self, Move move) except? -1000000
    cpdef long long mremap_unmapped_area(self, Move move, unsigned long long hint, unsigned long long map_flags) except? -1000000
    cpdef long long vma_to_resize(self, Move move) except? -1000000
    cpdef long long move_vma(self, Move move) except? -1000000
    cpdef long long move_may_split(self, Move move) except? -1000000
    cpdef long long move_split_locked(self, Move move) except? -1000000
    cpdef unsigned long long copy_vma(self, Move move, unsigned long long pgoff) except? 0xDEADBEEFDEADBEEF
    cpdef bint copy_may_merge(self, Move move, bint clean) except -1
    cpdef unsigned long long copy_vma_new(self, unsigned long long vma, unsigned long long addr, unsigned long long length, unsigned long long pgoff) except? 0xDEADBEEFDEADBEEF
    cpdef void move_page_tables(self, Move move, unsigned long long target) except *
    cpdef void dontunmap_complete(self, Move move, unsigned long long target) except *
    cpdef void dontunmap_reset_pgoff(self, unsigned long long vma) except *
    cpdef void unmap_source_vma(self, Move move, unsigned long long vm_flags) except *
    cpdef void restore_account(self, unsigned long long vma) except *
