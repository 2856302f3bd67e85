from mmtwin.pages cimport load
from mmtwin.space.move_vma cimport Move
from mmtwin.space.v6_18.mmap cimport Mmap618
from mmtwin.space.words cimport err_ptr

cdef class Calls618(Mmap618):
    cdef readonly unsigned long long nameless_shmem
    cdef unsigned long long anon_vma_name(self, unsigned long long vma) except? 0xDEADBEEFDEADBEEF
    cpdef long long madvise_populate(self, unsigned long long mm, unsigned long long start, unsigned long long end, bint write) except? -1000000
    cpdef bint vma_is_anon_shmem(self, unsigned long long file) except -1
    cpdef long long check_mremap_params(self, Move move) except? -1000000
    cpdef long long remap_move(self, Move move) except? -1000000
    cpdef bint vma_multi_allowed(self, unsigned long long vma) except -1
