from mmtwin.maple.split cimport Split
from mmtwin.maple.state cimport MaState, SubtreeState, WrState

cdef class Store(Split):
    cdef list frames
    cdef WrState wr_begin(self, MaState mas, unsigned long long entry)
    cdef void wr_end(self, WrState wr) except *
    cpdef void mas_root_expand(self, MaState mas, unsigned long long entry) except *
    cpdef void mas_store_root(self, MaState mas, unsigned long long entry) except *
    cpdef void mas_new_root(self, MaState mas, unsigned long long entry) except *
    cpdef bint mas_is_span_wr(self, WrState wr) except? -1
    cdef void _wr_descend(self, WrState wr) except *
    cdef void _note_heights(self, WrState wr) except *
    cpdef bint mas_wr_walk(self, WrState wr) except? -1
    cpdef void mas_wr_walk_index(self, WrState wr) except *
    cpdef void mas_extend_spanning_null(self, WrState l_wr, WrState r_wr) except *
    cpdef void mas_wr_spanning_store(self, WrState wr) except *
    cpdef void mas_wr_end_piv(self, WrState wr) except *
    cpdef void mas_wr_extend_null(self, WrState wr) except *
    cpdef bint mas_wr_append(self, WrState wr) except? -1
    cpdef bint mas_wr_slot_store(self, WrState wr) except? -1
    cpdef bint mas_wr_node_store(self, WrState wr) except? -1
    cdef void bn_leaf_room(self, int last) except *
    cdef void _root_leaf(self, MaState mas, unsigned long long node) except *
    cdef void _write_leaf(self, MaState mas, WrState wr, unsigned long long fresh, int count) except *
    cdef void _commit_leaf(self, WrState wr, unsigned long long node, int count) except *
    cpdef void mas_bulk_rebalance(self, MaState mas, int end, int type) except *
    cpdef void mas_store_b_node(self, WrState wr, int offset_end) except *
    cpdef bint mas_reuse_node(self, WrState wr, int end) except? -1
    cpdef void mas_commit_b_node(self, WrState wr, int end) except *
    cpdef void mas_wr_bnode(self, WrState wr) except *
    cpdef void mas_wr_modify(self, WrState wr) except *
    cpdef void mas_wr_store_ladder(self, WrState wr) except *
    cpdef void mas_wr_store_setup(self, WrState wr) except *
