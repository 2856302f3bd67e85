from mmtwin.memory.allocator cimport Allocator
from mmtwin.memory.memory cimport Memory
from mmtwin.pages cimport load, store
from mmtwin.space cimport load8, store8

cdef bint is_node(unsigned long long entry) noexcept
cdef bint is_sibling(unsigned long long entry) noexcept

cdef class XArray:
    cdef readonly Memory memory
    cdef readonly Allocator nodes
    cpdef unsigned long long load(self, unsigned long long head, unsigned long long index) except? 0xDEADBEEFDEADBEEF
    cpdef bint store(self, unsigned long long head, unsigned long long index, unsigned long long entry) except -1
    cpdef bint store_order(self, unsigned long long head, unsigned long long index, int order, unsigned long long entry) except -1
    cpdef bint split(self, unsigned long long head, unsigned long long index, int order, unsigned long long entry, unsigned long long step) except -1
    cpdef unsigned long long erase(self, unsigned long long head, unsigned long long index) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long find(self, unsigned long long head, unsigned long long index, unsigned long long most) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long _new_node(self, int shift, unsigned long long offset, unsigned long long parent) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long _erase_order(self, unsigned long long head, unsigned long long node, unsigned long long slot) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long _node_for(self, unsigned long long head, unsigned long long index, unsigned long long last, int level) except? 0xDEADBEEFDEADBEEF
    cdef void _free_below(self, unsigned long long node) except *
    cdef bint _reach(self, unsigned long long head, unsigned long long index) except -1
    cdef void _count(self, unsigned long long node, int change) except *
    cdef void _count_values(self, unsigned long long node, int change) except *
    cdef void _prune(self, unsigned long long head, unsigned long long node) except *
    cdef void _shrink(self, unsigned long long head) except *
