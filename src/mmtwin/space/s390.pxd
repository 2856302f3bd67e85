from mmtwin.pages cimport load, store
from mmtwin.space.space cimport Space
from mmtwin.space.words cimport failed

cdef class SpaceS390(Space):
    cdef unsigned long long at_asce_limit
    cpdef unsigned long long asce_limit(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cpdef long long crst_table_upgrade(self, unsigned long long mm, unsigned long long end) except? -1000000
    cpdef long long check_asce_limit(self, unsigned long long mm, unsigned long long addr, unsigned long long length) except? -1000000
    cpdef long long s390_get_unmapped_area(self, unsigned long long mm, unsigned long long file, unsigned long long addr, unsigned long long length, unsigned long long pgoff, unsigned long long map_flags) except? -1000000
    cpdef unsigned long long hugetlb_file_setup(self, str name, unsigned long long size, int shift) except? 0xDEADBEEFDEADBEEF
