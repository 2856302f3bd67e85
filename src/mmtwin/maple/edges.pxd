from mmtwin.maple cimport dead_node, end_at, end_of, index_of, next_slot_for, slot_at, type_of, word
from mmtwin.maple.replace cimport Replace
from mmtwin.maple.state cimport MaState, SubtreeState, WrState

cdef class Edges(Replace):
    cpdef int mas_wr_node_walk(self, WrState wr) except -1
    cpdef void mas_topiary_range(self, MaState mas, SubtreeState mast, int start, int end) except *
    cpdef void mast_topiary(self, SubtreeState mast) except *
    cdef void _drop_right_path(self, SubtreeState mast, unsigned long long ancestor, int start) except *
    cdef void _drop_left_path(self, SubtreeState mast, unsigned long long ancestor, int end) except *
    cdef int _walk_to(self, SubtreeState mast, MaState mas) except -1
    cpdef void mast_ascend_free(self, SubtreeState mast) except *
