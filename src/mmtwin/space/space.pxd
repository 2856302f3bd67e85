from mmtwin.space.proc_maps cimport ProcMaps

cdef class Space(ProcMaps):
    pass
