from mmtwin.memory.memory cimport Memory

cdef class Context:
    cdef readonly Memory memory
    cdef readonly unsigned long long word
    cpdef int lock(self, unsigned long long lock) except -1
    cpdef int unlock(self, unsigned long long lock) except -1
    cpdef int enter_atomic(self) except -1
    cpdef int leave_atomic(self) except -1
    cpdef int might_alloc(self, unsigned long long gfp, str where) except -1
