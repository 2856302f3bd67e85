cimport cython

from mmtwin.maple.maple cimport Maple
from mmtwin.maple.state cimport MaState
from mmtwin.maple.spot cimport fetch_node
from mmtwin.memory.memory cimport Memory

@cython.final
cdef class Direct:
    cdef readonly Maple maple
    cdef Memory memory
    cdef readonly unsigned long long tree, enode, min, max, low, high, entry
    cdef readonly int at
    cdef readonly bint plain
    cdef unsigned long long root_word, up_word, up_max
    cdef readonly unsigned long long word
    cdef int up_at, up_pivots
    cpdef bint readable(self) except? -1
    cpdef bint searchable(self) except? -1
    cpdef unsigned long long load(self, unsigned long long index) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long enter(self, unsigned long long index) except? 0xDEADBEEFDEADBEEF
    cdef void stand(self, unsigned long long enode, unsigned long long word, unsigned long long min, unsigned long long max) noexcept
    cdef unsigned long long take(self, int at, unsigned long long low, unsigned long long high) noexcept
    cdef bint next_leaf(self) except? -1
    cdef unsigned long long next_entry(self, unsigned long long last) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long onward(self) except? 0xDEADBEEFDEADBEEF
    cpdef bint hole_up(self, unsigned long long first, unsigned long long last, unsigned long long size) except? -1
    cpdef bint hole_down(self, unsigned long long first, unsigned long long last, unsigned long long size) except? -1
    cpdef bint place(self, MaState mas, unsigned long long first, unsigned long long last, unsigned long long size, bint from_top) except? -1
    cpdef long pour(self, unsigned long long last, unsigned long long[::1] firsts, unsigned long long[::1] lasts, unsigned long long[::1] entries) except -1
