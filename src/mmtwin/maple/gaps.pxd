from mmtwin.maple cimport end_of, gap_at, has_gaps, index_of, leaf_gap, meta_end_at, meta_gap_at, parent_of, parent_slot_of, put_gap, put_meta, root_node, type_of, word
from mmtwin.maple.iterate cimport Iterate
from mmtwin.maple.state cimport MaState

cdef class Gaps(Iterate):
    cpdef unsigned long long mas_leaf_max_gap(self, MaState mas) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mas_max_gap(self, MaState mas) except? 0xDEADBEEFDEADBEEF
    cpdef void mas_parent_gap(self, MaState mas, int offset, unsigned long long new) except *
    cpdef void mas_update_gap(self, MaState mas) except *
