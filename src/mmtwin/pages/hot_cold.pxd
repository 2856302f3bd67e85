from mmtwin.pages cimport add, load
from mmtwin.pages.reserve cimport Reserve

cdef class HotCold(Reserve):
    cpdef int free_hot_cold_page(self, unsigned long long page, bint cold) except -1
