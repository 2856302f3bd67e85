from mmtwin.pages.contig cimport Contig

cdef class Sysctl(Contig):
    pass
