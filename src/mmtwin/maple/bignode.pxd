from mmtwin.maple cimport has_gaps, index_of, put, put_meta, read_pivots, read_words, type_of, word, write_words
from mmtwin.maple.destroy cimport Destroy
from mmtwin.maple.state cimport BigNode, MaState, SubtreeState

cdef class BigNodes(Destroy):
    cdef int bn_room(self, int end, str where) except -1
    cpdef int mab_shift_right(self, BigNode bn, int shift) except -1
    cpdef bint mab_middle_node(self, BigNode bn, int split, int slot_count) except? -1
    cpdef int mab_no_null_split(self, BigNode bn, int split, int slot_count) except? -1
    cpdef int mab_calc_split(self, MaState mas, SubtreeState mast) except? -1
    cpdef int mas_mab_cp(self, MaState mas, int start, int end, BigNode bn, int at) except -1
    cpdef int mas_leaf_set_meta(self, MaState mas, unsigned long long node, int type, int end, unsigned long long pivot) except -1
    cpdef int mab_mas_cp(self, BigNode bn, int start, int end, MaState mas, bint new_max) except -1
    cpdef int mab_set_b_end(self, BigNode bn, MaState mas, unsigned long long enode) except -1
    cpdef unsigned long long mas_new_ma_node(self, MaState mas, BigNode bn) except? 0xDEADBEEFDEADBEEF
    cpdef int mas_mab_to_node(self, MaState mas, SubtreeState mast) except -1
