from mmtwin.maple cimport height_of, in_rcu, parent_at, put_parent, put_pivot, put_slot, root_node, safe_min, safe_pivot, slot_at, type_of
from mmtwin.maple.leaf cimport Leaf
from mmtwin.maple.state cimport BigNode, MaState, SubtreeState, WrState

cdef class Store(Leaf):
    cpdef void mas_extend_spanning_null(self, WrState l_wr, WrState r_wr) except *
    cpdef void mas_wr_spanning_store(self, WrState wr) except *
    cpdef void mas_store_b_node(self, WrState wr, int offset_end) except *
    cpdef bint mas_reuse_node(self, WrState wr, int end) except? -1
    cpdef void mas_commit_b_node(self, WrState wr, int end) except *
    cpdef void mas_wr_bnode(self, WrState wr) except *
    cpdef void mas_wr_modify(self, WrState wr) except *
    cpdef void mas_wr_store_ladder(self, WrState wr) except *
    cpdef void mas_wr_store_setup(self, WrState wr) except *
