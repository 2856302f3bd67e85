from mmtwin.maple cimport end_at, height_of, inner_type_of, parent_at, parent_slot_of, put_parent, put_pivot, root_node, set_parent_of, type_of
from mmtwin.maple.rebalance cimport Rebalance
from mmtwin.maple.state cimport BigNode, MaState, SubtreeState

cdef class Split(Rebalance):
    cpdef void mast_split_data(self, SubtreeState mast, MaState mas, int split) except *
    cpdef void mast_fill_bnode(self, SubtreeState mast, MaState mas, int skip) except *
    cpdef void mas_split_final_node(self, SubtreeState mast, MaState mas) except *
    cpdef bint mas_push_data(self, MaState mas, SubtreeState mast, bint left) except? -1
    cpdef void mas_split(self, MaState mas, SubtreeState mast) except *
