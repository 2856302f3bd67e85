from mmtwin.rangemap.core cimport Core, Holder
from mmtwin.rangemap.iterate cimport Gaps, Ranges, Values
from mmtwin.rangemap.keys cimport first_of, index_of, last_of, size_of, start_of, stop_of, unstepped
from mmtwin.rangemap.words cimport Words

cdef class RangeReader(Holder):
    cdef object _found(self, unsigned long long entry)
