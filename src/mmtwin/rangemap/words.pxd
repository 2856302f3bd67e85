cdef class Words:
    cdef object held
    cdef unsigned long long[::1] view
    cdef readonly long long count
    cdef unsigned long long at(self, long long place) except? 0xDEADBEEFDEADBEEF
