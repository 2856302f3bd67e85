cimport cython

from mmtwin.check.addresses cimport AddressSet
from mmtwin.memory cimport integers_of, words_of

cdef class Tally(AddressSet):
    cdef unsigned long long room
    cdef object held_members, held_sums
    cdef unsigned long long *members
    cdef long long *sums
    cdef void _hold(self, members, sums) except *
    cpdef unsigned long long row(self, unsigned long long address) except? 0xDEADBEEFDEADBEEF
    cpdef int bump(self, unsigned long long address, int column, long long amount) except -1
    cpdef long long sum(self, unsigned long long nth, int column) noexcept
    cpdef unsigned long long address(self, unsigned long long nth) noexcept
    cdef void _more_rows(self) except *
