from mmtwin.maple.state cimport MaState
from mmtwin.memory.memory cimport Memory
from mmtwin.pages cimport load
from mmtwin.space.file_thp cimport FileThp

cdef class Smap:
    cdef readonly unsigned long long resident, shared_clean, shared_dirty, private_clean, private_dirty
    cdef readonly unsigned long long referenced, anonymous, lazyfree, anonymous_thp, shmem_thp, swap, pss, pss_anon
    cdef readonly unsigned long long pss_file, pss_shmem, pss_locked, pss_dirty, swap_pss
    cdef readonly unsigned long long shared_hugetlb, private_hugetlb

cdef class ProcSmaps(FileThp):
    cdef dict smap_bodies
    cpdef void smap_gather_stats(self, unsigned long long vma, Smap mss) except *
    cpdef bint counts_in_smaps(self, unsigned long long entry) except -1
    cpdef unsigned long long shmem_swap_usage(self, unsigned long long vma) except? 0xDEADBEEFDEADBEEF
    cpdef void smaps_pte_entry(self, Smap mss, unsigned long long entry, bint locked) except *
    cpdef void smaps_account(self, Smap mss, unsigned long long page, unsigned long long entry, unsigned long long count, bint locked, bint migration) except *
    cpdef bint thp_eligible(self, unsigned long long vma) except -1
