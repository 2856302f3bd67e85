from mmtwin.maple.state cimport MaState, cursor
from mmtwin.space.v6_18.merge cimport Merge618

cdef class VmaMunmap:
    cdef public unsigned long long vma, start, end, prev, next
    cdef public unsigned long long tree, vma_count, nr_pages, locked_vm, nr_accounted
    cdef public unsigned long long exec_vm, stack_vm, data_vm
    cdef public bint clear_ptes, closed
    cdef public MaState mas
    cdef int begin(self, unsigned long long tree, unsigned long long vma, unsigned long long start, unsigned long long end) except -1

cdef class Munmap618(Merge618):
    cpdef long long do_mas_align_munmap(self, MaState mas, unsigned long long vma, unsigned long long mm, unsigned long long start, unsigned long long end) except? -1000000
    cpdef long long vms_gather_munmap_vmas(self, VmaMunmap vms, unsigned long long mm) except? -1000000
    cdef VmaMunmap vms_begin(self, unsigned long long vma, unsigned long long start, unsigned long long end)
    cpdef void vms_reattach(self, VmaMunmap vms) except *
    cpdef void vms_clean_up_area(self, VmaMunmap vms) except *
    cdef void vms_clear_ptes(self, VmaMunmap vms) except *
    cpdef void vms_complete_munmap_vmas(self, VmaMunmap vms, unsigned long long mm) except *
