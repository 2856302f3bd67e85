from mmtwin.maple.state cimport MaState
from mmtwin.space.process_calls cimport ProcessCalls

cdef class Exit(ProcessCalls):
    cdef public object khugepaged
    cpdef void mmput(self, unsigned long long mm) except *
    cpdef void exit_mmap(self, unsigned long long mm) except *
    cpdef void mm_free(self, unsigned long long mm) except *
    cpdef unsigned long long exit_next(self, MaState mas) except? 0xDEADBEEFDEADBEEF
    cpdef void free_pgtables(self, MaState mas, unsigned long long floor, unsigned long long ceiling) except *
    cpdef void mm_free_pgd(self, unsigned long long mm) except *
