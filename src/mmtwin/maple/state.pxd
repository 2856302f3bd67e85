cdef class MaState:
    cdef public unsigned long long tree, index, last, node, min, max, alloc
    cdef public int status, depth, offset, mas_flags, end, store_type
    cdef MaState spare
    cdef void begin(self, unsigned long long tree, unsigned long long index) noexcept
    cdef void copy_from(self, MaState other) noexcept
    cpdef void reset(self) noexcept
    cpdef void set(self, unsigned long long index) noexcept
    cpdef void set_range(self, unsigned long long index, unsigned long long last) noexcept
    cpdef void pause(self) noexcept
    cpdef void set_err(self, int errno) noexcept
    cpdef int error(self) except? -1
    cpdef bint is_err(self) except -1
    cpdef bint is_none(self) except -1
    cpdef bint is_paused(self) except -1
    cpdef bint is_start(self) except -1
    cpdef bint is_active(self) except -1
    cpdef bint is_ptr(self) except -1

cpdef MaState cursor(unsigned long long tree, unsigned long long index)

cdef class BigNode:
    cdef unsigned long long pivot[68]
    cdef unsigned long long slot[68]
    cdef unsigned long long gap[68]
    cdef public int b_end, type, size
    cpdef void clear(self) noexcept
    cpdef unsigned long long get_pivot(self, int at) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long get_slot(self, int at) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long get_gap(self, int at) except? 0xDEADBEEFDEADBEEF
    cpdef void put(self, int at, unsigned long long slot, unsigned long long pivot) except *

cdef class SubtreeState:
    cdef public MaState orig_l, orig_r, l, m, r, spare, tmp_l, tmp_r
    cdef public BigNode bn
    cdef public unsigned long long left, middle, right
    cdef public int split, mid_split
    cdef public unsigned long long free_head, free_tail, destroy_head, destroy_tail
    cdef MaState level0, level1, level2, next0, next1, next2
    cdef public WrState l_wr, r_wr

cdef class WrState:
    cdef public MaState mas
    cdef public SubtreeState mast
    cdef public unsigned long long node, r_min, r_max, end_piv, entry, content
    cdef public int type, offset_end, node_end
    cdef public int vacant_height, sufficient_height
    cdef WrState spare
    cdef unsigned long long pivot[32]
    cdef unsigned long long slot[32]
