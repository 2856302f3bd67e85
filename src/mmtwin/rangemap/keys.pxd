cdef class Span:
    cdef readonly unsigned long long first, last
    cpdef void set(self, object start, object stop) except *
    cpdef void of(self, slice key) except *

cpdef object to_int(object number)
cpdef unsigned long long index_of(object number) except? 0xDEADBEEFDEADBEEF
cpdef unsigned long long size_of(object number, str name) except? 0xDEADBEEFDEADBEEF
