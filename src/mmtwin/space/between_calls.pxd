from mmtwin.maple.maple cimport Maple
from mmtwin.memory.memory cimport Memory
from mmtwin.pages.pages cimport Pages
from mmtwin.pages.slab cimport SlabCaches

cdef class BetweenCalls:
    cdef Memory memory
    cdef Maple maple
    cdef SlabCaches caches
    cdef Pages pages
    cdef object victims
    cdef readonly bint keep_journal
    cdef readonly unsigned long long checked_from
    cpdef unsigned long long begin(self) except? 0xDEADBEEFDEADBEEF
