from mmtwin.maple cimport dead_node, in_rcu, put_meta, put_slot, set_dead, slot_at, type_of
from mmtwin.maple.alloc cimport Alloc
from mmtwin.maple.state cimport MaState, SubtreeState

cdef class Destroy(Alloc):
    cpdef int mat_add(self, SubtreeState mast, unsigned long long enode) except -1
    cpdef int mat_add_subtree(self, SubtreeState mast, unsigned long long enode) except -1
    cpdef int mas_mat_free(self, MaState mas, SubtreeState mast) except -1
    cpdef int mas_mat_destroy(self, MaState mas, SubtreeState mast) except -1
    cpdef int mte_dead_leaves(self, unsigned long long enode) except? -1
    cpdef unsigned long long mte_destroy_descend(self, unsigned long long enode, unsigned long long prev, int offset) except? 0xDEADBEEFDEADBEEF
    cpdef void mt_destroy_walk(self, unsigned long long enode, unsigned long long tree, bint free) except *
    cpdef void mte_destroy_walk(self, unsigned long long enode, unsigned long long tree) except *
    cpdef void mt_clear_meta(self, unsigned long long node, int type) except *
    cpdef void mt_free_walk(self, unsigned long long node) except *
    cpdef unsigned long long rcu_barrier(self) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long _one_less(self, unsigned long long left, str where) except? 0xDEADBEEFDEADBEEF
    cdef int _dead_type(self, unsigned long long node) except? -1
    cdef void _set_dead(self, unsigned long long node, int type, unsigned long long parent, int slot) except *
    cdef void _set_dead_type(self, unsigned long long node, int type) except *
    cdef unsigned long long _piv_parent(self, unsigned long long node) except? 0xDEADBEEFDEADBEEF
    cdef int _parent_slot(self, unsigned long long node) except? -1
    cdef int _slot_len(self, unsigned long long node) except? -1
    cdef void _set_slot_len(self, unsigned long long node, int count) except *
    cdef void _free_slots(self, unsigned long long node, int type, int count) except *
    cdef unsigned long long _dead_walk(self, unsigned long long node, int offset) except? 0xDEADBEEFDEADBEEF
