from mmtwin.maple.state cimport MaState
from mmtwin.pages cimport load
from mmtwin.space cimport load32
from mmtwin.space.v6_18.merge cimport VmaMerge, merge_attempt
from mmtwin.space.v6_18.munmap cimport Munmap618, VmaMunmap
from mmtwin.space.words cimport failed

cdef class Mmap618(Munmap618):
    cdef unsigned long long area_low_limit(self, unsigned long long low) except? 0xDEADBEEFDEADBEEF
    cpdef long long choose_area(self, unsigned long long mm, unsigned long long file, unsigned long long addr, unsigned long long length, unsigned long long pgoff, unsigned long long map_flags) except? -1000000
    cpdef long long hugetlb_get_unmapped_area(self, unsigned long long mm, unsigned long long file, unsigned long long addr, unsigned long long length, unsigned long long map_flags) except? -1000000
    cpdef long long arch_get_unmapped_area_topdown(self, unsigned long long mm, unsigned long long addr, unsigned long long length, unsigned long long map_flags) except? -1000000
    cdef long long masked_area_topdown(self, unsigned long long mm, unsigned long long addr, unsigned long long length, unsigned long long map_flags, unsigned long long mask) except? -1000000
    cdef long long masked_area(self, unsigned long long mm, unsigned long long addr, unsigned long long length, unsigned long long map_flags, unsigned long long mask) except? -1000000
    cdef bint is_free(self, unsigned long long mm, unsigned long long start, unsigned long long length) except -1
    cpdef unsigned long long thp_align(self, unsigned long long mm, unsigned long long found, unsigned long long offset) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long calc_vm_flags(self, unsigned long long mm, unsigned long long prot, unsigned long long map_flags) except? 0xDEADBEEFDEADBEEF
    cpdef long long mmap_region(self, unsigned long long mm, unsigned long long file, unsigned long long addr, unsigned long long length, unsigned long long vm_flags, unsigned long long pgoff) except? -1000000
    cpdef long long mmap_setup(self, VmaMunmap vms, unsigned long long mm, unsigned long long file, unsigned long long pages, unsigned long long vm_flags) except? -1000000
    cpdef long long do_brk_flags(self, MaState mas, unsigned long long mm, unsigned long long vma, unsigned long long addr, unsigned long long length, unsigned long long extra_flags) except? -1000000
