from mmtwin.memory.allocator cimport Allocator
from mmtwin.memory.memory cimport Memory

cdef class Pids:
    cdef Memory memory
    cdef Allocator entries
    cdef readonly unsigned long long table, head, tail
    cpdef unsigned long long find(self, unsigned long long pid) except? 0xDEADBEEFDEADBEEF
    cpdef void add(self, unsigned long long pid, unsigned long long task) except *
    cpdef void remove(self, unsigned long long pid) except *
    cdef unsigned long long _entry(self, unsigned long long pid) except? 0xDEADBEEFDEADBEEF
