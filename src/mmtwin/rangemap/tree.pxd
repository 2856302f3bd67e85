from mmtwin.rangemap.core cimport Core
from mmtwin.rangemap.keys cimport first_of, index_of, last_of, size_of, start_of, stop_of, unstepped
from mmtwin.rangemap.reader cimport RangeReader
from mmtwin.rangemap.words cimport Words

cdef class Snapshot(RangeReader):
    pass

cdef class MapleTree(RangeReader):
    pass
