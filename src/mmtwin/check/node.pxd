from mmtwin.memory cimport words_of
from mmtwin.check.overlay cimport Words

cdef class NodeRules(Words):
    cdef readonly bint big_endian, old_metadata, edge_exempt
    cdef readonly list found
    cdef list held_path
    cdef unsigned long long *path_node
    cdef unsigned long long *path_slot
    cdef int depth
    cdef int end, pivots, entries
    cdef unsigned long long slot_at, pivot_at, gap
    cdef void fail(self, str invariant, unsigned long long node, str field, str found, str expected) except *
    cdef void report(self, str invariant, str kind, unsigned long long address, str field, str found, str expected) except *
    cdef int data_end(self, int kind, unsigned long long last_pivot, unsigned long long metadata, unsigned long long most) noexcept
    cdef void _shape(self, unsigned long long first, int kind) noexcept
    cdef int _meta(self, unsigned long long word, int nth) noexcept
    cdef unsigned long long _meta_word(self, unsigned long long end, unsigned long long gap) noexcept
    cdef int rules(self, unsigned long long node, int kind, unsigned long long least, unsigned long long most, bint is_root) except -1
    cdef int _limits(self, unsigned long long node, unsigned long long first, unsigned long long least, unsigned long long most) except -1
    cdef void _order(self, unsigned long long node, int i, unsigned long long pivot, unsigned long long before) except *
    cdef int _behind(self, unsigned long long node, unsigned long long first, int kind) except -1
    cdef int _leaf(self, unsigned long long node, unsigned long long least, unsigned long long most) except -1
    cdef int _inner(self, unsigned long long node, int kind) except -1
    cdef int parent(self, unsigned long long node, unsigned long long above, int slot) except -1
