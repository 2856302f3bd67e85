from mmtwin.pages cimport add, load, store
from mmtwin.machine.context cimport Context
from mmtwin.memory.allocator cimport Arena
from mmtwin.memory.memory cimport Memory
from mmtwin.pages.page_alloc cimport PageAlloc

cdef class SlabCache(Arena):
    cdef readonly unsigned long long number, memmap
    cdef readonly PageAlloc pages
    cdef public Context context
    cdef readonly int order, order_min
    cdef readonly unsigned long long min_partial, waiting
    cdef unsigned long long gfp
    cdef unsigned long long _new_slab(self) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long _new_run(self) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long _free_run_elsewhere(self, unsigned long long at, unsigned long long count) except? 0xDEADBEEFDEADBEEF
    cdef int _free_elsewhere(self, unsigned long long address) except -1
    cpdef unsigned long long head_of(self, unsigned long long address) except? 0xDEADBEEFDEADBEEF
    cdef int _add_partial(self, unsigned long long head) except -1
    cdef int _remove_partial(self, unsigned long long head) except -1
    cdef unsigned long long _take_partial(self) except? 0xDEADBEEFDEADBEEF
    cpdef int give_back(self) except -1
    cdef int _discard(self, unsigned long long head) except -1

cdef class SlabCaches:
    cdef readonly Memory memory
    cdef readonly unsigned long long memmap, waiting
    cdef readonly list caches
    cdef readonly PageAlloc pages
    cpdef int give_back(self) except -1
    cpdef unsigned long long number_at(self, unsigned long long address) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long object_at(self, unsigned long long address) except? 0xDEADBEEFDEADBEEF
