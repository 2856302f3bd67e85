from mmtwin.maple.state cimport MaState
from mmtwin.space.v6_18.mseal cimport Mseal618

cdef class Fork618(Mseal618):
    cpdef long long dup_vmas(self, unsigned long long oldmm, unsigned long long mm) except? -1000000
    cpdef void dup_mark_failure(self, MaState mas, unsigned long long mm, unsigned long long mpnt) except *
    cpdef unsigned long long exit_next(self, MaState mas) except? 0xDEADBEEFDEADBEEF
