from mmtwin.check cimport has, block_of, held, was_at, was_word, word_at, word_changed
from mmtwin.check.addresses cimport AddressSet
from mmtwin.check.tree cimport TreeCheck

cdef class StepCheck(TreeCheck):
    cdef AddressSet marked, trees, old_trees
    cdef unsigned long long old_tree, step_mark, node_cache
    cpdef list touched(self, unsigned long long mark, trees)
    cdef void begin_step(self, unsigned long long mark) except *
    cdef void step(self, trees) except *
    cdef bint _tree_touched(self, unsigned long long tree) noexcept
    cdef void locate(self) except *
    cdef bint _climb(self, unsigned long long node) except -1
    cdef int _mark(self, unsigned long long node, unsigned long long tree) except -1
    cdef unsigned long long _climb_back(self, unsigned long long node) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long _old_slot(self, unsigned long long parent, unsigned long long slot, unsigned long long node) noexcept
    cdef int _mark_back(self, unsigned long long node, unsigned long long tree) except -1
    cdef void _part(self, unsigned long long tree) except *
    cdef void _losses(self) except *
    cdef void old_root(self, unsigned long long tree) except *
    cdef void _old_children(self, unsigned long long tree, unsigned long long node, int kind, bint gone) except *
    cdef void _lost(self, unsigned long long tree, unsigned long long enode) except *
    cdef int old_leaf(self, unsigned long long tree, unsigned long long node, bint gone) except -1
    cdef void _leaks(self) except *
    cdef long long _waiting_since(self) except? -1
    cdef void in_place(self) except *
    cdef bint _by_readers(self, unsigned long long tree) except -1
    cdef void _shape_kept(self, unsigned long long nth, unsigned long long node, int kind) except *
    cdef bint _readers_left(self, unsigned long long tree) except -1
