from mmtwin.maple.maple cimport Maple
from mmtwin.maple.spot cimport Spot
from mmtwin.memory.memory cimport Memory

cdef class Share:
    cdef Memory memory
    cdef Maple maple
    cdef Spot spot
    cdef bint gaps
    cdef int pivots, room
    cdef unsigned long long fresh, parent, word, left, right, min, max
    cdef int slot, end, count, cut
    cdef unsigned long long pivot[40]
    cdef unsigned long long held[40]
    cdef void gather(self, unsigned long long entry) except *
    cdef void add_leaf(self, unsigned long long word, int end, unsigned long long max) except *
    cdef int no_null(self, int split, int end) except? -1
    cpdef bint prepare(self, unsigned long long entry) except? -1
    cdef unsigned long long child(self, int slot) except? 0xDEADBEEFDEADBEEF
    cdef bint to_left(self, unsigned long long entry, int last) except? -1
    cdef bint to_right(self, unsigned long long entry, int last) except? -1
    cdef bint in_two(self, unsigned long long entry, int last) except? -1
    cpdef void write(self) except *
    cdef void make_room(self) except *
    cdef void leaf(self, unsigned long long word, int first, int end) except *
    cdef unsigned long long gap(self, int first, int end, unsigned long long min) except? 0xDEADBEEFDEADBEEF
    cdef void tell_gaps(self) except *
    cdef void node_gap(self, unsigned long long word, int end) except *
    cdef void update_gaps(self) except *
