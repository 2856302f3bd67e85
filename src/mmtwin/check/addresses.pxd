cimport cython

from mmtwin.memory cimport words_of

cdef class AddressSet:
    cdef unsigned long long mask, generation
    cdef int shift
    cdef readonly unsigned long long count
    cdef object held
    cdef unsigned long long *table
    cpdef void clear(self) noexcept
    @cython.final
    cdef unsigned long long place(self, unsigned long long address) noexcept
    cpdef bint has(self, unsigned long long address) noexcept
    cpdef bint add(self, unsigned long long address) except -1
    cdef void _grow(self) except *
