from mmtwin.maple cimport index_of, put, word
from mmtwin.maple.destroy cimport Destroy
from mmtwin.maple.state cimport BigNode, MaState, SubtreeState

cdef class BigNodes(Destroy):
    cdef void bn_room(self, int end, str where) except *
    cpdef void mab_shift_right(self, BigNode bn, int shift) except *
    cpdef bint mab_middle_node(self, BigNode bn, int split, int slot_count) except? -1
    cpdef int mab_no_null_split(self, BigNode bn, int split, int slot_count) except? -1
    cpdef int mab_calc_split(self, MaState mas, SubtreeState mast) except? -1
    cpdef void mas_mab_cp(self, MaState mas, int start, int end, BigNode bn, int at) except *
    cpdef void mas_leaf_set_meta(self, MaState mas, unsigned long long node, int type, int end, unsigned long long pivot) except *
    cpdef void mab_mas_cp(self, BigNode bn, int start, int end, MaState mas, bint new_max) except *
    cpdef void mab_set_b_end(self, BigNode bn, MaState mas, unsigned long long enode) except *
    cpdef unsigned long long mas_new_ma_node(self, MaState mas, BigNode bn) except? 0xDEADBEEFDEADBEEF
    cpdef void mas_mab_to_node(self, MaState mas, SubtreeState mast) except *
