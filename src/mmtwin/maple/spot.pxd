from mmtwin.memory.memory cimport Memory

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define mmtwin_prefetch(where) __builtin_prefetch(where)
    #else
    #define mmtwin_prefetch(where)
    #endif
    """
    void mmtwin_prefetch(const void *) noexcept

cdef inline void fetch_node(Memory memory, unsigned long long word) noexcept:
    mmtwin_prefetch(memory.w + word)
    mmtwin_prefetch(memory.w + word + 8)
    mmtwin_prefetch(memory.w + word + 16)
    mmtwin_prefetch(memory.w + word + 24)

cdef class Spot:
    cdef Memory memory
    cdef int gap_none
    cdef readonly unsigned long long word, enode, start, high, min, max, first, last, up_min, up_max, taken, made
    cdef readonly int at, stop, end
    cdef readonly bint alone, full, small
    cpdef bint seek(self, unsigned long long root_word, unsigned long long index) except? -1
    cpdef unsigned long long load(self, unsigned long long root_word, unsigned long long index) except? 0xDEADBEEFDEADBEEF
    cdef int end_of(self, unsigned long long word, unsigned long long max) except? -1
    cdef unsigned long long slot(self, int at) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long slot_end(self, int at) except? 0xDEADBEEFDEADBEEF
    cpdef bint take(self, unsigned long long first, unsigned long long last, unsigned long long entry) except? -1
    cdef int growth(self) except? -100
    cdef void widen(self) except *
    cdef bint weigh(self, unsigned long long entry) except? -1
    cpdef void write(self, unsigned long long entry) except *
    cdef void move(self, int more) except *
    cdef int lift(self) except -1
    cdef unsigned long long widest(self) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long largest(self, unsigned long long word) except? 0xDEADBEEFDEADBEEF
    cdef int carry(self, unsigned long long word, int at, unsigned long long new) except -1
    cdef int search(self, unsigned long long word, int end) except? -1
