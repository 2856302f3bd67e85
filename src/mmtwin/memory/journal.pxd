from mmtwin.memory cimport words_of

cdef class Journal:
    cdef readonly bint keep_all
    cdef readonly unsigned long long start
    cdef unsigned long long at, room, stood
    cdef unsigned long long first, past_first, past_last, spill_first, chunk_entries
    cdef unsigned long long *words
    cdef unsigned long long *past_words
    cdef object chunk, past, spill
    cdef bint past_dirty
    cdef int append(self, unsigned long long index, unsigned long long old) except -1
    cpdef unsigned long long end(self) noexcept
    cpdef unsigned long long present(self) noexcept
    cdef void stand(self, unsigned long long position) noexcept
    cpdef unsigned long long entry_index(self, unsigned long long position) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long entry_old(self, unsigned long long position) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long exchange(self, unsigned long long position, unsigned long long value) except? 0xDEADBEEFDEADBEEF
    cpdef void forget(self) except *
    cpdef void truncate(self, unsigned long long position) except *
    cpdef void check(self, unsigned long long position) except *
    cdef void _spill_chunk(self) except *
    cdef void _load_past(self, unsigned long long position) except *
