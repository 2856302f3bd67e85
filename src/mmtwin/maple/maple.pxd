from mmtwin.maple cimport flags_of, has_gaps, meta_end_at, pivot_at, put_parent, put_slot, root_of, slot_at, type_of
from mmtwin.maple.lifecycle cimport Lifecycle
from mmtwin.maple.state cimport MaState, WrState

cdef class Maple(Lifecycle):
    cdef MaState states
    cdef MaState state_begin(self, unsigned long long tree, unsigned long long index, unsigned long long last)
    cdef void state_end(self, MaState mas) except *
    cpdef void mt_init_flags(self, unsigned long long tree, unsigned int flags) except *
    cpdef bint mtree_empty(self, unsigned long long tree) except? -1
    cpdef void mt_set_in_rcu(self, unsigned long long tree) except *
    cpdef void mt_clear_in_rcu(self, unsigned long long tree) except *
    cpdef int mtree_store_range(self, unsigned long long tree, unsigned long long first, unsigned long long last, unsigned long long entry, unsigned long long gfp) except? -1
    cpdef int mtree_store(self, unsigned long long tree, unsigned long long index, unsigned long long entry, unsigned long long gfp) except? -1
    cpdef int mtree_insert_range(self, unsigned long long tree, unsigned long long first, unsigned long long last, unsigned long long entry, unsigned long long gfp) except? -1
    cpdef int mtree_insert(self, unsigned long long tree, unsigned long long index, unsigned long long entry, unsigned long long gfp) except? -1
    cdef int _insert(self, MaState mas, unsigned long long entry, unsigned long long gfp) except? -1
    cpdef unsigned long long mtree_erase(self, unsigned long long tree, unsigned long long index) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mt_next(self, unsigned long long tree, unsigned long long index, unsigned long long max) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mt_prev(self, unsigned long long tree, unsigned long long index, unsigned long long min) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mt_find_from(self, MaState mas, unsigned long long max) except? 0xDEADBEEFDEADBEEF
    cpdef void mt_destroy(self, unsigned long long tree) except *
    cpdef void mtree_destroy(self, unsigned long long tree) except *
    cpdef int mtree_dup(self, unsigned long long tree, unsigned long long new, unsigned long long gfp) except? -1
    cdef unsigned long long _copy_nodes(self, unsigned long long enode, unsigned long long parent, unsigned long long gfp, int depth) except? 0xDEADBEEFDEADBEEF
    cpdef int _inner_end(self, unsigned long long enode) except? -1
    cdef void _free_copy(self, unsigned long long enode, int depth) except *
