cdef class Values:
    cdef list items, free
    cdef dict more
    cpdef unsigned long long add(self, object value) except? 0xDEADBEEFDEADBEEF
    cpdef object value(self, unsigned long long entry)
    cpdef void hold(self, unsigned long long entry) except *
    cpdef object release(self, unsigned long long entry)
    cpdef Values copy(self)
