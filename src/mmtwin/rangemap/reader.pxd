from mmtwin.rangemap.core cimport Core, Holder
from mmtwin.rangemap.iterate cimport Gaps, Ranges, Values
from mmtwin.rangemap.keys cimport Span, index_of, size_of
from mmtwin.rangemap.words cimport Words

cdef class RangeReader(Holder):
    cdef object _found(self, unsigned long long entry)

cpdef unsigned long long last_before(object stop) except? 0xDEADBEEFDEADBEEF
