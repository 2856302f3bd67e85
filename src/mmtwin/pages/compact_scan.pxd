from mmtwin.pages.migrate cimport Migrate

cdef class CompactScan(Migrate):
    pass
