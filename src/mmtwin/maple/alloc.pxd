from mmtwin.maple cimport clear_words, in_rcu, index_of, number_of, parent_at, put, word
from mmtwin.maple.gaps cimport Gaps
from mmtwin.maple.state cimport MaState

cdef class Alloc(Gaps):
    cdef readonly unsigned long long rcu_list, unprepared
    cdef int count_shift, request_shift, request_word, chain_word
    cdef int _start_chain(self, unsigned long long node) except -1
    cdef void _nomem(self, MaState mas, unsigned long long total, unsigned long long missing) except *
    cpdef unsigned long long mas_allocated(self, MaState mas) except? 0xDEADBEEFDEADBEEF
    cpdef int mas_set_alloc_req(self, MaState mas, unsigned long long count) except -1
    cpdef unsigned long long mas_alloc_req(self, MaState mas) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long mas_pop_node(self, MaState mas) except? 0xDEADBEEFDEADBEEF
    cpdef void mas_push_node(self, MaState mas, unsigned long long node) except *
    cpdef int mas_alloc_nodes(self, MaState mas, unsigned long long gfp) except -1
    cdef int _alloc_bulk(self, unsigned long long gfp, unsigned long long head, int at, int count) except? -1
    cdef int _set_total(self, unsigned long long head, unsigned long long total) except -1
    cdef int _node_count(self, unsigned long long node) except? -1
    cdef int _set_node_count(self, unsigned long long node, int count) except -1
    cdef unsigned long long _chain_slot(self, unsigned long long node, int at) except? 0xDEADBEEFDEADBEEF
    cdef int _set_chain_slot(self, unsigned long long node, int at, unsigned long long value) except -1
    cpdef int mas_node_count_gfp(self, MaState mas, int count, unsigned long long gfp) except -1
    cpdef int mas_node_count(self, MaState mas, int count) except -1
    cpdef int mas_free_chain(self, MaState mas) except -1
    cpdef void mas_free(self, MaState mas, unsigned long long enode) except *
    cpdef void call_rcu(self, unsigned long long node, unsigned long long function) except *
    cpdef void ma_free_rcu(self, unsigned long long node) except *
    cdef unsigned long long _rcu_take(self) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long rcu_waiting(self) except? 0xDEADBEEFDEADBEEF
