from mmtwin.maple cimport dead_node, end_at, end_of, height_of, index_of, next_slot_for, parent_at, put_parent, root_node, set_dead, set_parent_of, slot_at, type_of, word
from mmtwin.maple.replace cimport Replace
from mmtwin.maple.state cimport BigNode, MaState, SubtreeState, WrState

cdef class Rebalance(Replace):
    cpdef int mas_wr_node_walk(self, WrState wr) except -1
    cpdef void mas_topiary_range(self, MaState mas, SubtreeState mast, int start, int end) except *
    cpdef void mast_topiary(self, SubtreeState mast) except *
    cpdef void mast_rebalance_next(self, SubtreeState mast) except *
    cpdef void mast_rebalance_prev(self, SubtreeState mast) except *
    cpdef bint mast_spanning_rebalance(self, SubtreeState mast) except? -1
    cdef void _drop_right_path(self, SubtreeState mast, unsigned long long ancestor, int start) except *
    cdef void _drop_left_path(self, SubtreeState mast, unsigned long long ancestor, int end) except *
    cdef int _walk_to(self, SubtreeState mast, MaState mas) except -1
    cpdef void mast_ascend_free(self, SubtreeState mast) except *
    cpdef void mast_set_split_parents(self, SubtreeState mast) except *
    cdef int _hand_to(self, SubtreeState mast, MaState child, int slot) except -1
    cpdef void mast_cp_to_nodes(self, SubtreeState mast) except *
    cpdef int mast_combine_cp_left(self, SubtreeState mast) except -1
    cpdef int mast_combine_cp_right(self, SubtreeState mast) except -1
    cpdef bint mast_sufficient(self, SubtreeState mast) except? -1
    cpdef bint mast_overflow(self, SubtreeState mast) except? -1
    cpdef bint mast_is_whole_tree(self, SubtreeState mast) except? -1
    cpdef void mast_new_root(self, SubtreeState mast, MaState mas) except *
    cpdef void mas_spanning_rebalance(self, MaState mas, SubtreeState mast, int count) except *
    cpdef void mas_rebalance(self, MaState mas, SubtreeState mast) except *
