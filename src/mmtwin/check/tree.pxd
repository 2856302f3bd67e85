from mmtwin.check cimport block_of, held, word_at, word_then
from mmtwin.check.addresses cimport AddressSet
from mmtwin.check.node cimport NodeRules
from mmtwin.memory.allocator cimport Arena

cdef class TreeCheck(NodeRules):
    cdef readonly Arena nodes
    cdef readonly unsigned long long in_use_at, rcu_list, unprepared_at
    cdef readonly unsigned long long node_count, entry_count
    cdef int root_at, flags_at
    cdef AddressSet seen
    cdef bint partial
    cdef unsigned long long tree
    cdef int height, leaf_depth, inner
    cdef long long gained
    cpdef list full(self, trees)
    cdef void node_sum(self) except *
    cdef void unprepared(self) except *
    cdef unsigned long long queued(self, unsigned long long node, bint old) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long _buried(self, unsigned long long node, int level, bint old) noexcept
    cdef void begin(self) except *
    cdef unsigned long long flags_of(self, unsigned long long tree) except? 0xDEADBEEFDEADBEEF
    cdef void whole(self, unsigned long long tree) except *
    cdef bint must_hold(self, int kind) except -1
    cdef unsigned long long enter(self, unsigned long long tree) except? 0xDEADBEEFDEADBEEF
    cdef void direct(self, unsigned long long tree, unsigned long long entry) except *
    cdef int visit(self, unsigned long long node, int kind, unsigned long long least, unsigned long long most, bint fresh, bint low, bint high) except -1
    cdef void _leaf_depth(self, unsigned long long node) except *
    cdef int _children(self, unsigned long long node, int kind, int end, unsigned long long least, unsigned long long most, bint fresh, bint low, bint high) except -1
    cdef bint _legal(self, unsigned long long node, int i, unsigned long long child) except -1
    cdef int _child(self, unsigned long long node, int kind, int i, unsigned long long child, unsigned long long least, unsigned long long most, bint moved) except -1
    cdef bint _moved(self, int image, unsigned long long first, int kind, int i) noexcept
    cdef bint _step_touched(self, unsigned long long node) noexcept
    cdef bint _fresh(self, unsigned long long node) except -1
    cdef int leaf(self, unsigned long long node, int end, unsigned long long least, unsigned long long most, bint fresh) except -1
