from mmtwin.space.exec_stack cimport ExecStack

cdef class BinfmtElf(ExecStack):
    pass
