from mmtwin.pages cimport load, store
from mmtwin.pages.compact_scan cimport CompactScan

cdef class Compaction(CompactScan):
    pass
