from mmtwin.pages.compaction cimport Compaction

cdef class Shrink(Compaction):
    pass
