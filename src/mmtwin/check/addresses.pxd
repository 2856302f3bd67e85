cdef class AddressSet:
    cdef unsigned long long mask, generation
    cdef readonly unsigned long long count
    cdef unsigned long long[::1] keys, stamps
    cpdef void clear(self) except *
    cdef unsigned long long _slot(self, unsigned long long address) noexcept
    cpdef bint has(self, unsigned long long address) except -1
    cpdef bint add(self, unsigned long long address) except -1
    cdef void _grow(self) except *
