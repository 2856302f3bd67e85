from mmtwin.space.proc_status cimport ProcStatus

cdef class ProcPagemap(ProcStatus):
    pass
