from mmtwin.pages cimport load
from mmtwin.space cimport load32
from mmtwin.space.mlock cimport Mlock
from mmtwin.space.words cimport err_ptr, is_err, ptr_err

cdef class Madvise(Mlock):
    cpdef long long sys_madvise(self, unsigned long long mm, unsigned long long start, unsigned long long length, unsigned long long advice) except? -1000000
    cpdef long long do_madvise(self, unsigned long long mm, unsigned long long start, unsigned long long length, unsigned long long advice) except? -1000000
    cpdef bint madvise_behavior_valid(self, unsigned long long advice) except -1
    cpdef long long madvise_range(self, unsigned long long mm, unsigned long long start, unsigned long long end, unsigned long long advice) except? -1000000
    cpdef long long madvise_walk_vmas(self, unsigned long long mm, unsigned long long start, unsigned long long end, unsigned long long advice, unsigned long long name) except? -1000000
    cpdef unsigned long long madvise_vma_behavior(self, unsigned long long mm, unsigned long long vma, unsigned long long prev, unsigned long long start, unsigned long long end, unsigned long long advice) except? 0xDEADBEEFDEADBEEF
    cpdef long long madvise_new_flags(self, unsigned long long vma, unsigned long long old, unsigned long long advice) except? -1000000
    cpdef unsigned long long madvise_update_vma(self, unsigned long long mm, unsigned long long vma, unsigned long long prev, unsigned long long start, unsigned long long end, unsigned long long new, unsigned long long name) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long madvise_pages(self, unsigned long long mm, unsigned long long vma, unsigned long long start, unsigned long long end, unsigned long long advice) except? 0xDEADBEEFDEADBEEF
    cpdef long long madvise_remove_check(self, unsigned long long vma) except? -1000000
    cpdef long long madvise_populate_area(self, unsigned long long vma, unsigned long long start, unsigned long long end, bint write) except? -1000000
    cpdef void advise_pages(self, unsigned long long vma, unsigned long long start, unsigned long long end, unsigned long long advice) except *
    cpdef long long madvise_collapse(self, unsigned long long vma, unsigned long long start, unsigned long long end) except? -1000000
    cpdef long long madvise_set_anon_name(self, unsigned long long mm, unsigned long long start, unsigned long long length, unsigned long long name) except? -1000000
    cpdef unsigned long long madvise_vma_anon_name(self, unsigned long long mm, unsigned long long vma, unsigned long long prev, unsigned long long start, unsigned long long end, unsigned long long name) except? 0xDEADBEEFDEADBEEF
    cpdef void replace_anon_vma_name(self, unsigned long long vma, unsigned long long name) except *
