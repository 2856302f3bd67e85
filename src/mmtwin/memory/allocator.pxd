from mmtwin.memory.memory cimport Memory

cdef class Allocator:
    cdef readonly Memory memory
    cdef readonly str name
    cdef readonly unsigned long long object_size
    cdef public object injector
    cpdef unsigned long long alloc(self, unsigned long long gfp) except? 0xDEADBEEFDEADBEEF
    cpdef void free(self, unsigned long long address) except *
    cdef unsigned long long alloc_words(self, unsigned long long gfp, unsigned long long at, unsigned long long count) except? 0xDEADBEEFDEADBEEF
    cdef int free_words(self, unsigned long long at, unsigned long long count) except -1
    cpdef unsigned long long in_use(self) except? 0xDEADBEEFDEADBEEF

cdef class Arena(Allocator):
    cdef readonly unsigned long long stride, align, link, control
    cdef unsigned long long _new_run(self) except? 0xDEADBEEFDEADBEEF
