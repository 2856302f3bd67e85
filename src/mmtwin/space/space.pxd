from mmtwin.space.proc_pagemap cimport ProcPagemap

cdef class Space(ProcPagemap):
    pass
