from mmtwin.pages.v3_15 cimport Pages315

cdef class PreventMisplaced(Pages315):
    pass

cdef class CheckedPlacement(PreventMisplaced):
    cpdef bint check_freepage_migratetype(self, unsigned long long page) except -1
