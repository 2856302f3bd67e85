from mmtwin.space.thp cimport Thp

cdef class Rmap(Thp):
    pass
