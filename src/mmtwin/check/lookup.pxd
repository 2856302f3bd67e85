from mmtwin.check cimport block_of, held, word_then
from mmtwin.check.step cimport StepCheck

cdef class Lookup(StepCheck):
    cdef unsigned long long found_first, found_last
    cdef unsigned long long find(self, unsigned long long tree, unsigned long long index, bint old) noexcept
