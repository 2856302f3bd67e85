from mmtwin.maple.nodes cimport Nodes

cdef class Image:
    cdef readonly Nodes engine
    cdef object words
    cdef unsigned long long[::1] out
    cdef unsigned long long nodes
    cdef int node_words
    cpdef object of(self, unsigned long long tree)
    cdef void add_node(self, unsigned long long enode, unsigned long long highest, unsigned long long parent) except *
