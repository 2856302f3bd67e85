from mmtwin.maple.state cimport MaState
from mmtwin.space.space cimport Space

cdef class VmaMerge:
    cdef public unsigned long long mm, prev, middle, next, target, copied_from
    cdef public unsigned long long start, end, pgoff, vm_flags, file, anon_vma
    cdef public unsigned long long policy, uffd_ctx, anon_name
    cdef public bint just_expand, nomem
    cdef public bint adjust_middle_start, adjust_next_start, remove_middle, remove_next
    cdef void begin(self, unsigned long long mm, unsigned long long start, unsigned long long end, unsigned long long vm_flags, unsigned long long pgoff) noexcept

cpdef VmaMerge merge_attempt(unsigned long long mm, unsigned long long start, unsigned long long end, unsigned long long vm_flags, unsigned long long pgoff)

cdef class Merge618(Space):
    cpdef bint vma_had_uncowed_parents(self, unsigned long long vma) except -1
    cpdef bint vmg_is_mergeable_anon_vma(self, VmaMerge vmg, bint merge_next) except -1
    cpdef bint vmg_is_mergeable_vma(self, VmaMerge vmg, unsigned long long vma) except -1
    cpdef bint can_vma_merge_left(self, VmaMerge vmg) except -1
    cpdef bint can_vma_merge_right(self, VmaMerge vmg, bint can_merge_left) except -1
    cpdef unsigned long long vma_merge_existing_range(self, VmaMerge vmg) except? 0xDEADBEEFDEADBEEF
    cpdef void vmg_warn(self, VmaMerge vmg) except *
    cdef unsigned long long sticky_flags(self, VmaMerge vmg) except? 0xDEADBEEFDEADBEEF
    cpdef long long vmg_dup_anon_vma(self, unsigned long long dst, unsigned long long src) except? -1000000
    cpdef unsigned long long vma_merge_new_range(self, VmaMerge vmg) except? 0xDEADBEEFDEADBEEF
    cpdef long long vmg_expand(self, VmaMerge vmg) except? -1000000
    cpdef long long commit_merge(self, VmaMerge vmg) except? -1000000
    cpdef long long commit_preallocate(self, MaState mas, VmaMerge vmg) except? -1000000
    cpdef void commit_store(self, MaState mas, VmaMerge vmg) except *
    cdef VmaMerge vmg_of(self, unsigned long long vma, unsigned long long start, unsigned long long end)
    cpdef unsigned long long vma_modify(self, unsigned long long mm, unsigned long long prev, unsigned long long vma, unsigned long long start, unsigned long long end, unsigned long long vm_flags, unsigned long long policy, unsigned long long uffd_ctx, unsigned long long anon_name) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long vma_merge_extend(self, unsigned long long vma, unsigned long long addr, unsigned long long delta) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long vma_merge_copy(self, unsigned long long vma, unsigned long long prev, unsigned long long addr, unsigned long long length, unsigned long long pgoff) except? 0xDEADBEEFDEADBEEF
    cpdef long long split_vma_nocheck(self, unsigned long long mm, unsigned long long vma, unsigned long long addr, bint new_below) except? -1000000
