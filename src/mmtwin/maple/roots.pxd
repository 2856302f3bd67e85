from mmtwin.maple cimport put_meta, put_parent, put_pivot, put_slot, root_of
from mmtwin.maple.split cimport Split
from mmtwin.maple.state cimport MaState, SubtreeState, WrState

cdef class Roots(Split):
    cdef WrState frames
    cdef WrState wr_begin(self, MaState mas, unsigned long long entry)
    cdef void wr_end(self, WrState wr) except *
    cpdef void mas_root_expand(self, MaState mas, unsigned long long entry) except *
    cpdef void mas_store_root(self, MaState mas, unsigned long long entry) except *
    cpdef void mas_new_root(self, MaState mas, unsigned long long entry) except *
    cdef void _root_leaf(self, MaState mas, unsigned long long node) except *
