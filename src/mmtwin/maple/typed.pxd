from mmtwin.maple cimport height_of, in_rcu, pivot_at, put_meta, put_pivot, put_slot, root_node, slot_at, type_of
from mmtwin.maple.search cimport Search
from mmtwin.maple.state cimport MaState, WrState

cdef class Typed(Search):
    cpdef void mas_wr_prealloc_setup(self, WrState wr) except *
    cpdef int mas_wr_new_end(self, WrState wr) except? -1
    cpdef int mas_wr_store_type(self, WrState wr) except? -1
    cpdef int mas_prealloc_calc(self, WrState wr) except? -1
    cpdef void mas_wr_typed_append(self, WrState wr, int new_end) except *
    cpdef void mas_wr_typed_slot_store(self, WrState wr) except *
    cpdef void mas_wr_store_decided(self, WrState wr) except *
    cpdef void mas_wr_store_entry(self, WrState wr) except *
