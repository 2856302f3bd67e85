from mmtwin.pages cimport load, store
from mmtwin.pages.migrate cimport Migrate

cdef class CompactScan(Migrate):
    pass
