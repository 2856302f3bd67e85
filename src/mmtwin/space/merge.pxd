from mmtwin.maple.state cimport MaState
from mmtwin.space.adjust cimport Adjust

cdef class Merge(Adjust):
    cpdef bint is_mergeable_vma(self, unsigned long long vma, unsigned long long file, unsigned long long vm_flags, unsigned long long uffd_ctx, unsigned long long anon_name) except -1
    cpdef bint is_mergeable_anon_vma(self, unsigned long long a, unsigned long long b, unsigned long long vma) except -1
    cpdef bint can_vma_merge_before(self, unsigned long long vma, unsigned long long vm_flags, unsigned long long anon_vma, unsigned long long file, unsigned long long pgoff, unsigned long long uffd_ctx, unsigned long long anon_name) except -1
    cpdef bint can_vma_merge_after(self, unsigned long long vma, unsigned long long vm_flags, unsigned long long anon_vma, unsigned long long file, unsigned long long pgoff, unsigned long long uffd_ctx, unsigned long long anon_name) except -1
    cpdef unsigned long long vma_merge(self, unsigned long long mm, unsigned long long prev, unsigned long long addr, unsigned long long end, unsigned long long vm_flags, unsigned long long anon_vma, unsigned long long file, unsigned long long pgoff, unsigned long long policy, unsigned long long uffd_ctx, unsigned long long anon_name) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long vma_merge_extend(self, unsigned long long vma, unsigned long long addr, unsigned long long delta) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long vma_merge_copy(self, unsigned long long vma, unsigned long long prev, unsigned long long addr, unsigned long long length, unsigned long long pgoff) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long vma_modify(self, unsigned long long mm, unsigned long long prev, unsigned long long vma, unsigned long long start, unsigned long long end, unsigned long long vm_flags, unsigned long long policy, unsigned long long uffd_ctx, unsigned long long anon_name) except? 0xDEADBEEFDEADBEEF
    cpdef long long vma_expand(self, MaState mas, unsigned long long vma, unsigned long long start, unsigned long long end, unsigned long long pgoff, unsigned long long next) except? -1000000
    cpdef long long split_vma(self, unsigned long long mm, unsigned long long vma, unsigned long long addr, bint new_below) except? -1000000
    cpdef long long split_vma_nocheck(self, unsigned long long mm, unsigned long long vma, unsigned long long addr, bint new_below) except? -1000000
    cpdef long long vma_may_split(self, unsigned long long vma, unsigned long long addr) except? -1000000
    cpdef long long vma_link(self, unsigned long long mm, unsigned long long vma) except? -1000000
    cpdef long long insert_vm_struct(self, unsigned long long mm, unsigned long long vma) except? -1000000
