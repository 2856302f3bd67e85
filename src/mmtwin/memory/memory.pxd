from mmtwin.memory.journal cimport Journal

cdef class Memory:
    cdef unsigned long long *w
    cdef unsigned char *d
    cdef readonly unsigned long long size, base, limit
    cdef readonly bint big_endian
    cdef readonly object strings, physical, written, watcher
    cdef readonly list windows
    cdef public Journal journal
    cdef void _bind(self) except *
    cpdef unsigned long long load(self, unsigned long long address) except? 0xDEADBEEFDEADBEEF
    cpdef void store(self, unsigned long long address, unsigned long long value) except *
    cdef unsigned long long _load_slow(self, unsigned long long address, int size) except? 0xDEADBEEFDEADBEEF
    cdef int poke(self, unsigned long long index, unsigned long long value) except -1
    cpdef unsigned long long translate(self, unsigned long long address, int size, bint loading) except? 0xDEADBEEFDEADBEEF
    cdef int _shift(self, unsigned long long address, int size) except -1
    cdef unsigned long long _load_part(self, unsigned long long address, int size, unsigned long long mask) except? 0xDEADBEEFDEADBEEF
    cdef void _store_part(self, unsigned long long address, int size, unsigned long long mask, unsigned long long value) except *
    cpdef unsigned long long load32(self, unsigned long long address) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long load16(self, unsigned long long address) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long load8(self, unsigned long long address) except? 0xDEADBEEFDEADBEEF
    cpdef void store32(self, unsigned long long address, unsigned long long value) except *
    cpdef void store16(self, unsigned long long address, unsigned long long value) except *
    cpdef void store8(self, unsigned long long address, unsigned long long value) except *
    cpdef void fill(self, unsigned long long address, unsigned long long size, unsigned long long value) except *
    cpdef void zero(self, unsigned long long address, unsigned long long size) except *
    cpdef void copy(self, unsigned long long target, unsigned long long source, unsigned long long size) except *
    cpdef unsigned long long boot_alloc(self, unsigned long long size, unsigned long long align) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mark(self) except? 0xDEADBEEFDEADBEEF
    cpdef void rewind(self, unsigned long long position) except *
    cpdef void advance(self, unsigned long long position) except *
    cpdef void go(self, unsigned long long position) except *
    cdef void _exchange(self, Journal journal, unsigned long long position) except *
    cdef Journal _journal(self)
