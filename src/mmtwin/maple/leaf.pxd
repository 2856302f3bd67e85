from mmtwin.maple cimport clear_words, in_rcu, index_of, parent_at, pivot_at, put, put_meta, put_pivot, put_slot, read_words, root_node, safe_min, set_dead, slot_at, type_of, write_words
from mmtwin.maple.roots cimport Roots
from mmtwin.maple.state cimport MaState, WrState

cdef class Leaf(Roots):
    cpdef bint mas_is_span_wr(self, WrState wr) except? -1
    cdef int _wr_descend(self, WrState wr) except -1
    cdef void _note_heights(self, WrState wr) except *
    cpdef bint mas_wr_walk(self, WrState wr) except? -1
    cpdef void mas_wr_walk_index(self, WrState wr) except *
    cpdef void mas_wr_end_piv(self, WrState wr) except *
    cpdef void mas_wr_extend_null(self, WrState wr) except *
    cpdef bint mas_wr_append(self, WrState wr) except? -1
    cpdef bint mas_wr_slot_store(self, WrState wr) except? -1
    cpdef bint mas_wr_node_store(self, WrState wr) except? -1
    cdef int _leaf_room(self, int last) except -1
    cdef int _write_leaf(self, MaState mas, WrState wr, unsigned long long fresh, int count) except -1
    cdef int _commit_leaf(self, WrState wr, unsigned long long node, int count) except -1
    cpdef void mas_bulk_rebalance(self, MaState mas, int end, int type) except *
