from mmtwin.pages.swap cimport Swap

cdef class Migrate(Swap):
    pass
