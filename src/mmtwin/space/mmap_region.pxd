from mmtwin.maple.state cimport MaState
from mmtwin.space cimport load32
from mmtwin.space.touch cimport Touch

cdef class MmapRegion(Touch):
    cpdef long long mmap_region(self, unsigned long long mm, unsigned long long file, unsigned long long addr, unsigned long long length, unsigned long long vm_flags, unsigned long long pgoff) except? -1000000
    cpdef bint mmap_may_expand(self, unsigned long long mm, unsigned long long addr, unsigned long long length, unsigned long long vm_flags) except -1
    cpdef unsigned long long mmap_merge(self, MaState mas, unsigned long long prev, unsigned long long next, unsigned long long file, unsigned long long addr, unsigned long long end, unsigned long long vm_flags, unsigned long long pgoff) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mmap_new_vma(self, MaState mas, unsigned long long mm, unsigned long long prev, unsigned long long file, unsigned long long addr, unsigned long long end, unsigned long long vm_flags, unsigned long long pgoff) except? 0xDEADBEEFDEADBEEF
    cpdef long long mmap_file(self, unsigned long long file, unsigned long long vma) except? -1000000
    cpdef long long shmem_zero_setup(self, unsigned long long vma) except? -1000000
    cpdef void mmap_complete(self, unsigned long long mm, unsigned long long vma, unsigned long long vm_flags, unsigned long long length) except *
    cdef bint accountable_mapping(self, unsigned long long file, unsigned long long vm_flags) except -1
