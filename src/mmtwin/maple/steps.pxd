from mmtwin.maple cimport data_end_of, dead_node, pivot_at, root_of, safe_min, safe_pivot, slot_at, type_of
from mmtwin.maple.state cimport MaState
from mmtwin.maple.typed cimport Typed

cdef class Steps(Typed):
    cdef bint _rewalked(self, MaState mas, unsigned long long node, unsigned long long index) except? -1
    cdef void _may_activate(self, MaState mas) except *
    cpdef unsigned long long mas_next_slot(self, MaState mas, unsigned long long max, bint empty) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mas_prev_slot(self, MaState mas, unsigned long long min, bint empty) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long _next(self, MaState mas, unsigned long long max, bint empty) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long _prev(self, MaState mas, unsigned long long min, bint empty) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long _find(self, MaState mas, unsigned long long max, bint empty) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long _find_rev(self, MaState mas, unsigned long long min, bint empty) except? 0xDEADBEEFDEADBEEF
    cdef void _leave_limit(self, MaState mas) except *
    cpdef unsigned long long mas_next(self, MaState mas, unsigned long long max) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mas_prev(self, MaState mas, unsigned long long min) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mas_find(self, MaState mas, unsigned long long max) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mas_find_rev(self, MaState mas, unsigned long long min) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mas_next_range(self, MaState mas, unsigned long long max) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mas_prev_range(self, MaState mas, unsigned long long min) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mas_find_range(self, MaState mas, unsigned long long max) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mas_find_range_rev(self, MaState mas, unsigned long long min) except? 0xDEADBEEFDEADBEEF
