from mmtwin.memory.memory cimport Memory

cdef class GrowingMemory(Memory):
    cpdef void reserve(self, unsigned long long size) except *
    cpdef unsigned long long used(self) except? 0xDEADBEEFDEADBEEF
    cdef void enlarge(self, unsigned long long size, unsigned long long used) except *
    cpdef void grow(self, unsigned long long size) except *
    cpdef void copy_from(self, GrowingMemory other) except *
