from mmtwin.memory.memory cimport Memory
from mmtwin.pages cimport load
from mmtwin.pages.pages cimport Pages
from mmtwin.space.rmap cimport Rmap
from mmtwin.space.thp cimport Thp

cdef class FileThp(Rmap):
    cdef bint large_shmem
    cdef public object collapse
    cpdef bint transhuge_vma_suitable(self, unsigned long long vma, unsigned long long start) except -1
    cpdef bint hugepage_vma_check(self, unsigned long long vma, bint smaps, bint enforce) except -1
    cpdef bint shmem_is_huge(self, unsigned long long vma, bint force) except -1
    cpdef bint do_set_pmd(self, unsigned long long vma, unsigned long long start, unsigned long long pmd, unsigned long long head, bint write) except -1
    cpdef void zap_file_pmd(self, unsigned long long vma, unsigned long long pmd, bint split) except *
