from mmtwin.space.thp cimport Thp

cdef class Space(Thp):
    pass
