from mmtwin.maple cimport data_end_of, dead_node, died, end_at, end_of, index_of, inner_type_of, is_dead, parent_at, parent_of, parent_slot_of, root_node, root_of, slot_for, type_of, word
from mmtwin.maple.nodes cimport Nodes
from mmtwin.maple.state cimport MaState

cdef class Walk(Nodes):
    cdef void stuck(self, str where) except *
    cpdef unsigned long long mas_start(self, MaState mas) except? 0xDEADBEEFDEADBEEF
    cpdef int mas_descend(self, MaState mas) except -1
    cpdef int mas_ascend(self, MaState mas) except? -1
    cpdef int mas_data_end(self, MaState mas) except? -1
    cpdef bint mas_prev_sibling(self, MaState mas) except? -1
    cpdef bint mas_next_sibling(self, MaState mas) except? -1
    cpdef unsigned long long mtree_range_walk(self, MaState mas) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mas_state_walk(self, MaState mas) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mas_walk(self, MaState mas) except? 0xDEADBEEFDEADBEEF
    cpdef void mas_rewalk(self, MaState mas, unsigned long long index) except *
    cpdef unsigned long long mtree_load(self, unsigned long long tree, unsigned long long index) except? 0xDEADBEEFDEADBEEF
