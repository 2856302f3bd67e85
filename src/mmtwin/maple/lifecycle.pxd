from mmtwin.maple cimport end_at, flags_of, gap_at, has_gaps, height_of, in_rcu, inner_type_of, meta_end_at, parent_of, parent_slot_of, pivot_at, put_gap, put_meta, put_pivot, put_slot, root_node, safe_pivot, set_dead, slot_at, type_of
from mmtwin.maple.state cimport MaState, WrState
from mmtwin.maple.steps cimport Steps

cdef class Lifecycle(Steps):
    cpdef void mtree_lock(self, unsigned long long tree) except *
    cpdef void mtree_unlock(self, unsigned long long tree) except *
    cpdef void mas_destroy(self, MaState mas) except *
    cpdef void mas_destroy_rebalance(self, MaState mas, int end) except *
    cdef void _share_leaves(self, MaState mas, MaState left, WrState wr, int end, int split) except *
    cdef void _refresh_meta_gap(self, MaState mas) except *
    cdef void _insert_here(self, WrState wr) except *
    cpdef bint mas_nomem(self, MaState mas, unsigned long long gfp) except? -1
    cdef int _store_gfp(self, MaState mas, unsigned long long entry, unsigned long long gfp, bint setup) except? -1
    cpdef unsigned long long mas_store(self, MaState mas, unsigned long long entry) except? 0xDEADBEEFDEADBEEF
    cpdef int mas_store_gfp(self, MaState mas, unsigned long long entry, unsigned long long gfp) except? -1
    cpdef int mas_preallocate_count(self, MaState mas, unsigned long long entry) except? -1
    cpdef int mas_preallocate(self, MaState mas, unsigned long long entry, unsigned long long gfp) except? -1
    cpdef void mas_store_prealloc(self, MaState mas, unsigned long long entry) except *
    cpdef unsigned long long mas_erase(self, MaState mas) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mas_insert(self, WrState wr) except? 0xDEADBEEFDEADBEEF
    cpdef int mas_expected_entries(self, MaState mas, unsigned long long count) except? -1
