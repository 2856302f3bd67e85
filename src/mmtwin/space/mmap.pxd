from mmtwin.maple.state cimport MaState
from mmtwin.pages cimport load
from mmtwin.space cimport load32
from mmtwin.space.mmap_region cimport MmapRegion
from mmtwin.space.words cimport failed

cdef class Mmap(MmapRegion):
    cpdef long long sys_mmap(self, unsigned long long mm, unsigned long long addr, unsigned long long length, unsigned long long prot, unsigned long long map_flags, unsigned long long file, unsigned long long offset) except? -1000000
    cpdef long long mmap_hugetlb(self, unsigned long long mm, unsigned long long addr, unsigned long long length, unsigned long long prot, unsigned long long map_flags, unsigned long long pgoff) except? -1000000
    cpdef long long vm_mmap_pgoff(self, unsigned long long mm, unsigned long long file, unsigned long long addr, unsigned long long length, unsigned long long prot, unsigned long long map_flags, unsigned long long pgoff) except? -1000000
    cpdef long long do_mmap(self, unsigned long long mm, unsigned long long file, unsigned long long addr, unsigned long long length, unsigned long long prot, unsigned long long map_flags, unsigned long long extra_flags, unsigned long long pgoff) except? -1000000
    cdef unsigned long long round_hint_to_min(self, unsigned long long hint) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long calc_vm_flags(self, unsigned long long mm, unsigned long long prot, unsigned long long map_flags) except? 0xDEADBEEFDEADBEEF
    cpdef long long file_mmap_check(self, unsigned long long file, unsigned long long prot, unsigned long long map_flags, unsigned long long length, unsigned long long pgoff, unsigned long long vm_flags) except? -1000000
    cpdef unsigned long long known_map_flags(self, unsigned long long file) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long file_vm_flags(self, unsigned long long file, unsigned long long map_flags, unsigned long long vm_flags) except? 0xDEADBEEFDEADBEEF
    cpdef long long anonymous_vm_flags(self, unsigned long long map_flags, unsigned long long vm_flags) except? -1000000
    cdef bint noexec(self, unsigned long long file) except -1
