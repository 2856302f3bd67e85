from mmtwin.maple cimport data_end_of, dead_node, died, end_at, end_of, index_of, is_dead, pivot_at, root_node, root_of, safe_min, safe_pivot, slot_at, type_of, word
from mmtwin.maple.state cimport MaState
from mmtwin.maple.walk cimport Walk

cdef class Iterate(Walk):
    cdef int _nothing(self, MaState mas, unsigned long long node) except? -1
    cpdef int mas_prev_node(self, MaState mas, unsigned long long min) except? -1
    cpdef int mas_next_node(self, MaState mas, unsigned long long node, unsigned long long max) except? -1
    cpdef unsigned long long mas_next_nentry(self, MaState mas, unsigned long long node, unsigned long long max, int type) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mas_prev_nentry(self, MaState mas, unsigned long long limit, unsigned long long index) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mas_next_entry(self, MaState mas, unsigned long long limit) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mas_prev_entry(self, MaState mas, unsigned long long min) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long _next_unbounded(self, MaState mas, unsigned long long max) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long _prev_unbounded(self, MaState mas, unsigned long long min) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long _find_unbounded(self, MaState mas, unsigned long long max) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long _find_rev_unbounded(self, MaState mas, unsigned long long min) except? 0xDEADBEEFDEADBEEF
