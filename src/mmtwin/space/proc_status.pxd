from mmtwin.space.proc_smaps cimport ProcSmaps

cdef class ProcStatus(ProcSmaps):
    pass
