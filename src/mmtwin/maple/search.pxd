from mmtwin.maple cimport end_at, end_of, gap_before, index_of, root_node, safe_min, safe_pivot, slot_at, type_of, word
from mmtwin.maple.state cimport MaState
from mmtwin.maple.store cimport Store

cdef class Search(Store):
    cdef unsigned long long _steps_left(self) except? 0xDEADBEEFDEADBEEF
    cpdef bint mas_rewind_node(self, MaState mas) except? -1
    cpdef bint mas_skip_node(self, MaState mas) except? -1
    cpdef bint mas_anode_descend(self, MaState mas, unsigned long long size) except? -1
    cpdef void mas_awalk(self, MaState mas, unsigned long long size) except *
    cpdef bint mas_rev_awalk(self, MaState mas, unsigned long long size) except? -1
    cpdef int mas_sparse_area(self, MaState mas, unsigned long long min, unsigned long long max, unsigned long long size, bint fwd) except? -1
    cpdef int mas_check_window(self, unsigned long long min, unsigned long long max, unsigned long long size) except? -1
    cpdef int mas_empty_area(self, MaState mas, unsigned long long min, unsigned long long max, unsigned long long size) except? -1
    cpdef int mas_empty_area_rev(self, MaState mas, unsigned long long min, unsigned long long max, unsigned long long size) except? -1
