from mmtwin.check.addresses cimport AddressSet

cdef class Tally(AddressSet):
    cdef unsigned long long room
    cdef unsigned long long[::1] members, rows
    cdef long long[::1] sums
    cpdef unsigned long long row(self, unsigned long long address) except? 0xDEADBEEFDEADBEEF
    cpdef void bump(self, unsigned long long address, int column, long long amount) except *
    cpdef long long sum(self, unsigned long long nth, int column) noexcept
    cpdef unsigned long long address(self, unsigned long long nth) noexcept
    cdef void _more_rows(self) except *
