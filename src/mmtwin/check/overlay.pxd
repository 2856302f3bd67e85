from mmtwin.memory.memory cimport Memory

cdef class Overlay:
    cdef readonly Memory memory
    cdef unsigned long long *w
    cdef readonly unsigned long long count
    cdef unsigned long long room, mask, generation
    cdef public unsigned long long[::1] blocks, flags, owners, images
    cdef unsigned long long[::1] keys, stamps, places
    cpdef void load(self, unsigned long long mark) except *
    cdef unsigned long long _slot(self, unsigned long long block) noexcept
    cdef unsigned long long _touch(self, unsigned long long block) except? 0xDEADBEEFDEADBEEF
    cdef void _grow(self) except *
    cpdef int find(self, unsigned long long index) noexcept
    cpdef unsigned long long was(self, unsigned long long index) noexcept
    cpdef bint changed(self, unsigned long long index) noexcept
