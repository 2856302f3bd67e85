from mmtwin.memory cimport copy_words, words_of
from mmtwin.memory.memory cimport Memory

cdef class Overlay:
    cdef readonly Memory memory
    cdef unsigned long long *w
    cdef readonly unsigned long long count
    cdef unsigned long long room, size, tag
    cdef list held
    cdef object held_table
    cdef unsigned long long *blocks
    cdef unsigned long long *flags
    cdef unsigned long long *owners
    cdef unsigned long long *caches
    cdef unsigned long long *images
    cdef unsigned long long *table
    cdef void _bind(self) except *
    cdef void _new_table(self) except *
    cpdef void load(self, unsigned long long mark) except *
    cdef int _touch(self, unsigned long long block) except -1
    cpdef int find(self, unsigned long long index) noexcept
    cpdef unsigned long long was(self, unsigned long long index) noexcept
    cpdef bint changed(self, unsigned long long index) noexcept

cdef class Words:
    cdef readonly Memory memory
    cdef unsigned long long *w
    cdef unsigned long long base, size
    cdef readonly Overlay overlay
