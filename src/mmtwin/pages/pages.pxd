from mmtwin.pages.sysctl cimport Sysctl

cdef class Pages(Sysctl):
    pass
