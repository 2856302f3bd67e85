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
    cdef void _go_down(self, SubtreeState mast, int count) except *
    cdef void _discard(self, MaState mas, SubtreeState mast) except *
    cdef MaState _level(self, SubtreeState mast, int at)
    cdef MaState _next_level(self, SubtreeState mast, int at)
