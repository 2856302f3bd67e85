from mmtwin.maple cimport end_of, height_of, index_of, inner_type_of, parent_of, parent_slot_of, put_parent, put_slot, root_node, root_of, set_dead, set_parent_of, slot_at, type_of, word
from mmtwin.maple.bignode cimport BigNodes
from mmtwin.maple.state cimport MaState, SubtreeState

cdef class Replace(BigNodes):
    cpdef void mas_adopt_children(self, MaState mas, unsigned long long parent) except *
    cpdef void mas_put_in_tree(self, MaState mas, unsigned long long old, int height) except *
    cpdef unsigned long long mas_old_enode(self, MaState mas) except? 0xDEADBEEFDEADBEEF
    cpdef void mas_replace(self, MaState mas, bint advanced) except *
    cpdef bint mas_new_child(self, MaState mas, MaState child) except? -1
    cpdef void mas_descend_adopt(self, MaState mas, SubtreeState mast) except *
    cpdef void mas_topiary_replace(self, MaState mas, unsigned long long old, SubtreeState mast, int height) except *
    cpdef void mas_wmb_replace(self, MaState mas, unsigned long long old, SubtreeState mast, int height) except *
    cdef int new_children(self, MaState mas, SubtreeState mast, int count, bint prune) except? -1
    cdef int _go_down(self, SubtreeState mast, int count) except -1
    cdef void _discard(self, MaState mas, SubtreeState mast) except *
    cdef MaState _level(self, SubtreeState mast, int at)
    cdef MaState _next_level(self, SubtreeState mast, int at)
