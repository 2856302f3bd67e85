from mmtwin.rangemap.core cimport Core
from mmtwin.rangemap.keys cimport Span, index_of, size_of
from mmtwin.rangemap.reader cimport RangeReader, last_before
from mmtwin.rangemap.words cimport Words

cdef class Snapshot(RangeReader):
    pass

cdef class MapleTree(RangeReader):
    pass
