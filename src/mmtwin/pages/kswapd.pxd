from mmtwin.pages.vmscan cimport Vmscan

cdef class Kswapd(Vmscan):
    pass
