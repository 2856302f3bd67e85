from mmtwin.machine.context cimport Context
from mmtwin.memory.allocator cimport Arena
from mmtwin.memory.memory cimport Memory
from mmtwin.pages.page_alloc cimport PageAlloc

cdef class SlabCache(Arena):
    cdef readonly unsigned long long number, memmap
    cdef readonly PageAlloc pages
    cdef public Context context
    cdef readonly int order, order_min
    cdef unsigned long long gfp
    cdef unsigned long long _new_slab(self) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long _new_run(self) except? 0xDEADBEEFDEADBEEF

cdef class SlabCaches:
    cdef readonly Memory memory
    cdef readonly unsigned long long memmap
    cdef readonly list caches
    cdef readonly PageAlloc pages
    cpdef unsigned long long number_at(self, unsigned long long address) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long object_at(self, unsigned long long address) except? 0xDEADBEEFDEADBEEF
