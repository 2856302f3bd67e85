from mmtwin.memory.allocator cimport Allocator
from mmtwin.memory.memory cimport Memory
from mmtwin.pages cimport change

cdef class Nodes:
    cdef readonly Memory memory
    cdef readonly Allocator allocator
    cdef readonly object era
    cdef readonly int bits
    cdef readonly bint wide, dead_first, recycles, typed, converges, strict_window
    cdef readonly bint bounded_states, walk_resumes, by_height, prealloc_worst, prealloc_sharp, keeps_flags
    cdef readonly int tree_size, W, gap_none, gap_unset, depth_base, alloc_slots, node_slots
    cdef readonly unsigned long long max_index, root_at, flags_at
    cdef int flags_shift, meta_end_shift, meta_gap_shift
    cdef int slots_of[16]
    cdef int pivots_of[16]
    cdef int min_of[16]
    cdef int slots_at[16]
    cdef int slot_word[16]
    cdef int meta_word[16]
    cdef int gap_word
    cdef int meta_at[16]
    cdef int gaps_at
    cdef unsigned long long load_word(self, unsigned long long address) except? 0xDEADBEEFDEADBEEF
    cdef int store_word(self, unsigned long long address, unsigned long long value) except -1
    cpdef unsigned long long pivot(self, unsigned long long node, int at) except? 0xDEADBEEFDEADBEEF
    cpdef int set_pivot(self, unsigned long long node, int at, unsigned long long value) except -1
    cpdef unsigned long long slot(self, unsigned long long node, int type, int at) except? 0xDEADBEEFDEADBEEF
    cpdef int set_slot(self, unsigned long long node, int type, int at, unsigned long long value) except -1
    cpdef unsigned long long gap(self, unsigned long long node, int at) except? 0xDEADBEEFDEADBEEF
    cpdef int set_gap(self, unsigned long long node, int at, unsigned long long value) except -1
    cpdef int meta_end(self, unsigned long long node, int type) except? -1
    cpdef int meta_gap(self, unsigned long long node) except? -1
    cpdef int ma_set_meta(self, unsigned long long node, int type, int gap, int end) except -1
    cpdef int mt_slots(self, int type) except? -1
    cpdef int mt_pivots(self, int type) except? -1
    cpdef int mt_min_slots(self, int type) except? -1
    cpdef int node_type(self, unsigned long long enode) except? -1
    cpdef unsigned long long parent_word(self, unsigned long long node) except? 0xDEADBEEFDEADBEEF
    cpdef int set_parent_word(self, unsigned long long node, unsigned long long word) except -1
    cpdef bint ma_is_root(self, unsigned long long node) except? -1
    cpdef bint ma_dead_node(self, unsigned long long node) except? -1
    cpdef unsigned long long mte_parent(self, unsigned long long enode) except? 0xDEADBEEFDEADBEEF
    cpdef int mte_parent_slot(self, unsigned long long enode) except? -1
    cpdef int mte_set_parent(self, unsigned long long enode, unsigned long long parent, int slot) except -1
    cpdef int mte_set_node_dead(self, unsigned long long enode) except -1
    cpdef int inner_type(self, unsigned long long tree) except? -1
    cpdef int ma_data_end(self, unsigned long long node, int type, unsigned long long max) except? -1
    cpdef unsigned long long mas_safe_pivot(self, unsigned long long node, int type, int at, unsigned long long max) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mas_safe_min(self, unsigned long long node, int at, unsigned long long min) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long root(self, unsigned long long tree) except? 0xDEADBEEFDEADBEEF
    cpdef int set_root(self, unsigned long long tree, unsigned long long entry) except -1
    cpdef unsigned int flags(self, unsigned long long tree) except? 0xDEADBEEF
    cpdef int set_flags(self, unsigned long long tree, unsigned int flags) except -1
    cpdef int mt_height(self, unsigned long long tree) except? -1
    cpdef void mt_set_height(self, unsigned long long tree, int height) except *
    cpdef bint mt_is_alloc(self, unsigned long long tree) except? -1
    cpdef bint mt_in_rcu(self, unsigned long long tree) except? -1
    cpdef void zero_node(self, unsigned long long node) except *
