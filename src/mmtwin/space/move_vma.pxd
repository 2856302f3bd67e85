from mmtwin.space.prctl_vma cimport PrctlVma
from mmtwin.space.words cimport err_ptr, is_err, ptr_err

cdef class Move:
    cdef public unsigned long long mm, addr, old_len, new_len, flags, new_addr, vma
    cdef public bint populate

cdef class MoveVma(PrctlVma):
    cpdef bint mremap_near_limit(self, unsigned long long mm, unsigned long long more) except -1
    cpdef long long move_vma(self, Move move) except? -1000000
    cpdef long long move_may_split(self, Move move) except? -1000000
    cpdef unsigned long long vm_uffd_minor(self) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long uffd_flags(self) except? 0xDEADBEEFDEADBEEF
    cpdef void mremap_userfaultfd_prep(self, unsigned long long vma) except *
    cpdef bint dontunmap_repaired(self) except -1
    cpdef long long move_split_locked(self, Move move) except? -1000000
    cpdef unsigned long long move_page_tables(self, Move move, unsigned long long target) except? 0xDEADBEEFDEADBEEF
    cpdef void move_undo(self, Move move, unsigned long long target, unsigned long long moved) except *
    cpdef void move_back(self, Move move, unsigned long long target, unsigned long long moved) except *
    cpdef unsigned long long copy_vma(self, Move move, unsigned long long pgoff) except? 0xDEADBEEFDEADBEEF
    cpdef bint copy_may_merge(self, Move move, bint clean) except -1
    cpdef unsigned long long copy_vma_new(self, unsigned long long vma, unsigned long long addr, unsigned long long length, unsigned long long pgoff) except? 0xDEADBEEFDEADBEEF
    cpdef void dontunmap_complete(self, Move move, unsigned long long target) except *
    cpdef void dontunmap_reset_pgoff(self, unsigned long long vma) except *
    cpdef void unmap_source_vma(self, Move move, unsigned long long vm_flags) except *
    cpdef void restore_account(self, unsigned long long vma) except *
