from mmtwin.pages.kswapd cimport Kswapd

cdef class Oom(Kswapd):
    cdef public object oom_hook
