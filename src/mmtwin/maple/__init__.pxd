# The inner loops' way to a node's words, put into each room's C code; words.py is the same in Python.
from mmtwin.maple.nodes cimport Nodes

cdef inline unsigned long long index_of(Nodes nodes, unsigned long long node) noexcept:
    cdef unsigned long long offset
    if nodes.wide and node >= nodes.memory.base:
        offset = node - nodes.memory.base
        if offset < nodes.memory.limit and offset & 7 == 0:
            return offset >> 3
    return 0

cdef inline unsigned long long word(Nodes nodes, unsigned long long x, unsigned long long node, int k) except? 0xDEADBEEFDEADBEEF:
    if x != 0 and <unsigned int> k < 32:
        return nodes.memory.w[x + k]
    return nodes.load_word(node + nodes.W * k)

cdef inline int put(Nodes nodes, unsigned long long x, unsigned long long node, int k, unsigned long long value) except -1:
    cdef unsigned long long at = x + k
    if x != 0 and <unsigned int> k < 32:
        if nodes.memory.w[at] != value:
            if nodes.memory.journal is not None:
                return nodes.memory.poke(at, value)
            nodes.memory.w[at] = value  # what poke does without a journal
            nodes.memory.d[at >> 9] = 1
        return 0
    return nodes.store_word(node + nodes.W * k, value)

cdef inline bint is_dead(Nodes nodes, unsigned long long x, unsigned long long node) except? -1:
    return word(nodes, x, node, 0) & ~255 == node

cdef inline int end_of(Nodes nodes, unsigned long long x, unsigned long long node, int type, unsigned long long max) except? -1:
    cdef unsigned long long pivot
    cdef int last = nodes.pivots_of[type]
    if type != 3:
        pivot = word(nodes, x, node, last)
        if pivot != 0:
            return last - 1 if pivot == max else last
    return (word(nodes, x, node, nodes.meta_word[type]) >> nodes.meta_end_shift) & 255

cdef inline int slot_for(Nodes nodes, unsigned long long x, unsigned long long node, int end, unsigned long long index) except? -1:
    cdef int at = 0
    if x != 0 and end < 32:
        while at < end and nodes.memory.w[x + 1 + at] < index:
            at += 1
        return at
    while at < end and word(nodes, x, node, at + 1) < index:
        at += 1
    return at
