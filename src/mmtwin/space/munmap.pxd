from mmtwin.maple.state cimport MaState, cursor
from mmtwin.memory.allocator cimport Allocator
from mmtwin.space.merge cimport Merge

cdef class Detach:
    cdef public MaState mas
    cdef public unsigned long long count, locked_vm
    cdef int begin(self, unsigned long long tree) except -1

cdef class Munmap(Merge):
    cdef readonly Allocator stack
    cpdef long long sys_munmap(self, unsigned long long mm, unsigned long long addr, unsigned long long length) except? -1000000
    cpdef long long do_munmap(self, unsigned long long mm, unsigned long long start, unsigned long long length) except? -1000000
    cpdef long long do_mas_munmap(self, MaState mas, unsigned long long mm, unsigned long long start, unsigned long long length) except? -1000000
    cpdef unsigned long long munmap_first(self, MaState mas, unsigned long long start, unsigned long long end) except? 0xDEADBEEFDEADBEEF
    cpdef long long do_mas_align_munmap(self, MaState mas, unsigned long long vma, unsigned long long mm, unsigned long long start, unsigned long long end) except? -1000000
    cpdef long long munmap_gather(self, MaState mas, Detach detach, unsigned long long mm, unsigned long long start, unsigned long long end) except? -1000000
    cpdef void remove_mt(self, unsigned long long mm, Detach detach) except *
    cpdef void unmap_region(self, Detach detach) except *
    cpdef void unmap_vmas(self, MaState mas) except *
    cpdef void free_region_tables(self, MaState mas) except *
