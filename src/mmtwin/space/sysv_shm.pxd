from mmtwin.memory.allocator cimport Allocator
from mmtwin.memory.memory cimport Memory
from mmtwin.pages cimport load, store
from mmtwin.space.msync cimport Msync

cdef class SysvShm(Msync):
    cdef readonly unsigned long long shmids
    cdef readonly Allocator shmid_cache
    cpdef long long shm_create(self, unsigned long long mm, unsigned long long shmid, unsigned long long key, unsigned long long size, unsigned long long shmflg=*) except? -1000000
    cdef long long shm_create_huge(self, unsigned long long mm, unsigned long long shmid, str name, unsigned long long size, unsigned long long shmflg) except? -1000000
    cdef void shm_add(self, unsigned long long segment, unsigned long long shmid, unsigned long long file) except *
    cpdef unsigned long long shm_obtain_object(self, unsigned long long shmid) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long shm_of_file(self, unsigned long long file) except? 0xDEADBEEFDEADBEEF
    cpdef long long shm_remove(self, unsigned long long shmid) except? -1000000
    cpdef void shm_destroy(self, unsigned long long segment) except *
    cpdef long long shm_nattch(self, unsigned long long shmid) except? -1000000
    cpdef void shm_open(self, unsigned long long file) except *
    cpdef void shm_close(self, unsigned long long file) except *
    cpdef bint is_shm(self, unsigned long long vma) except -1
    cpdef long long sys_shmat(self, unsigned long long mm, unsigned long long shmid, unsigned long long addr, unsigned long long flags) except? -1000000
    cpdef unsigned long long shm_clone_file(self, unsigned long long base, unsigned long long mode) except? 0xDEADBEEFDEADBEEF
    cpdef long long sys_shmdt(self, unsigned long long mm, unsigned long long addr) except? -1000000
    cpdef bint shm_piece_of(self, unsigned long long vma, unsigned long long addr) except -1
