from mmtwin.check cimport word_at
from mmtwin.check.page_step cimport PageStepCheck
from mmtwin.check.page_tables cimport PageTableCheck
from mmtwin.memory.memory cimport Memory

cdef class Checker:
    cdef readonly object pool, segments, caches
    cdef readonly PageTableCheck spaces
    cdef readonly PageStepCheck pages
    cdef readonly Memory memory
    cdef unsigned long long threads, huge_pages, promises, shmids
    cpdef list full(self)
    cpdef list touched(self, unsigned long long mark)
    cpdef list every(self, unsigned long long mark)
    cpdef list since(self, unsigned long long mark)
