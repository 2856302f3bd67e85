from mmtwin.pages.shrink cimport Shrink

cdef class Vmscan(Shrink):
    pass
