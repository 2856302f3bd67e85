from mmtwin.pages cimport add, load
from mmtwin.pages.zone cimport Zones

cdef class FreeLists(Zones):
    cpdef int wake(self, unsigned long long zone, unsigned long long pfn) except -1
    cdef int _wake_entry(self, unsigned long long zone, unsigned long long entry) except -1
    cdef unsigned long long _checked_list(self, unsigned long long page, unsigned long long zone, int order, int migratetype) except? 0xDEADBEEFDEADBEEF
    cdef int _count_heads(self, unsigned long long zone, int order, int delta) except -1
    cpdef int add_to_free_list(self, unsigned long long page, unsigned long long zone, int order, int migratetype) except -1
    cpdef int add_to_free_list_tail(self, unsigned long long page, unsigned long long zone, int order, int migratetype) except -1
    cdef int _unlink(self, unsigned long long page, unsigned long long zone, int order) except -1
    cpdef int move_to_free_list(self, unsigned long long page, unsigned long long zone, int order, int migratetype) except -1
    cpdef int del_page_from_free_list(self, unsigned long long page, unsigned long long zone, int order, int migratetype) except -1
    cpdef unsigned long long get_page_from_free_area(self, unsigned long long zone, int order, int migratetype) except? 0xDEADBEEFDEADBEEF
