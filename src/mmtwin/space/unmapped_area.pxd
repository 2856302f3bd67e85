from mmtwin.space.munmap cimport Munmap
from mmtwin.space.words cimport failed, is_err, ptr_err

cdef class UnmappedArea(Munmap):
    cpdef long long get_unmapped_area(self, unsigned long long mm, unsigned long long file, unsigned long long addr, unsigned long long length, unsigned long long pgoff, unsigned long long map_flags) except? -1000000
    cpdef long long choose_area(self, unsigned long long mm, unsigned long long file, unsigned long long addr, unsigned long long length, unsigned long long pgoff, unsigned long long map_flags) except? -1000000
    cpdef long long mm_get_unmapped_area(self, unsigned long long mm, unsigned long long addr, unsigned long long length, unsigned long long map_flags) except? -1000000
    cpdef long long arch_get_unmapped_area(self, unsigned long long mm, unsigned long long addr, unsigned long long length, unsigned long long map_flags) except? -1000000
    cpdef long long arch_get_unmapped_area_topdown(self, unsigned long long mm, unsigned long long addr, unsigned long long length, unsigned long long map_flags) except? -1000000
    cpdef long long thp_get_unmapped_area(self, unsigned long long mm, unsigned long long addr, unsigned long long length, unsigned long long offset, unsigned long long map_flags) except? -1000000
    cpdef unsigned long long thp_align(self, unsigned long long mm, unsigned long long found, unsigned long long offset) except? 0xDEADBEEFDEADBEEF
    cpdef long long hugetlb_get_unmapped_area(self, unsigned long long mm, unsigned long long file, unsigned long long addr, unsigned long long length, unsigned long long map_flags) except? -1000000
    cpdef long long aligned_area(self, unsigned long long mm, unsigned long long length, unsigned long long low, unsigned long long high, unsigned long long mask, unsigned long long offset) except? -1000000
    cpdef long long aligned_area_topdown(self, unsigned long long mm, unsigned long long length, unsigned long long low, unsigned long long high, unsigned long long mask, unsigned long long offset) except? -1000000
    cdef bint mm_topdown(self, unsigned long long mm) except -1
    cdef unsigned long long area_low_limit(self, unsigned long long low) except? 0xDEADBEEFDEADBEEF
    cpdef long long unmapped_area(self, unsigned long long mm, unsigned long long length, unsigned long long low, unsigned long long high) except? -1000000
    cpdef long long unmapped_area_topdown(self, unsigned long long mm, unsigned long long length, unsigned long long low, unsigned long long high) except? -1000000
