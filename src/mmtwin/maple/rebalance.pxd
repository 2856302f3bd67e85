from mmtwin.maple cimport dead_node, end_at, height_of, parent_at, put_parent, root_node, set_dead, set_parent_of, type_of
from mmtwin.maple.edges cimport Edges
from mmtwin.maple.state cimport BigNode, MaState, SubtreeState

cdef class Rebalance(Edges):
    cpdef void mast_rebalance_next(self, SubtreeState mast) except *
    cpdef void mast_rebalance_prev(self, SubtreeState mast) except *
    cpdef bint mast_spanning_rebalance(self, SubtreeState mast) except? -1
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
    cdef int _levels(self, MaState mas, SubtreeState mast, int count) except? -100
    cdef void _combine(self, SubtreeState mast) except *
    cdef void _top(self, MaState mas, SubtreeState mast) except *
    cpdef void mas_rebalance(self, MaState mas, SubtreeState mast) except *
