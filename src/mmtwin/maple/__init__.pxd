# The inner loops' way to a node's words, put into each room's C code; words.py is the same in Python.
from libc.string cimport memcpy, memset

from mmtwin.maple.nodes cimport Nodes
from mmtwin.maple.state cimport MaState
from mmtwin.pages cimport change

# One node, looked up once: words by number. x is where its words are held; in Python, which of the
# memory's words is its first. It is good until the memory grows.

cdef inline unsigned long long index_of(Nodes nodes, unsigned long long node) noexcept:
    cdef unsigned long long offset
    if nodes.wide and node >= nodes.memory.base:
        offset = node - nodes.memory.base
        if offset < nodes.memory.limit and offset & 7 == 0:
            return <size_t> (nodes.memory.w + (offset >> 3))
    return 0

cdef inline unsigned long long *held_at(unsigned long long x) noexcept:
    return <unsigned long long *> <size_t> x

cdef inline unsigned long long number_of(Nodes nodes, unsigned long long x, int k) noexcept:
    return held_at(x) + k - nodes.memory.w

cdef inline unsigned long long word(Nodes nodes, unsigned long long x, unsigned long long node, int k) except? 0xDEADBEEFDEADBEEF:
    if x != 0 and <unsigned int> k < 32:
        return held_at(x)[k]
    return nodes.load_word(node + nodes.W * k)

cdef inline int put(Nodes nodes, unsigned long long x, unsigned long long node, int k, unsigned long long value) except -1:
    cdef unsigned long long *at = held_at(x) + k
    if x != 0 and <unsigned int> k < 32:
        if at[0] == value:
            return 0
        return change(nodes.memory, at - nodes.memory.w, value)
    return nodes.store_word(node + nodes.W * k, value)

cdef inline bint plain(Nodes nodes, unsigned long long x, int first, int end) noexcept:
    return x != 0 and first >= 0 and end <= 32 and nodes.memory.journal is None

cdef inline int read_words(Nodes nodes, unsigned long long x, unsigned long long node, int first, int count, unsigned long long *to, int at) except -1:
    cdef int i
    if x != 0 and first >= 0 and count >= 0 and first + count <= 32:
        memcpy(to + at, held_at(x) + first, 8 * count)
        return 0
    for i in range(count):
        to[at + i] = word(nodes, x, node, first + i)
    return 0

cdef inline int read_pivots(Nodes nodes, unsigned long long x, unsigned long long node, int first, int end, unsigned long long max, unsigned long long *to, int at) except? -1:
    cdef unsigned long long *pivots
    cdef unsigned long long pivot
    if x != 0 and end < 32:
        pivots = held_at(x) + 1
        while first < end:
            pivot = pivots[first]
            to[at] = pivot
            if pivot == 0 or pivot == max:
                return first
            first += 1
            at += 1
        return first
    while first < end:
        pivot = word(nodes, x, node, first + 1)
        to[at] = pivot
        if pivot == 0 or pivot == max:
            return first
        first += 1
        at += 1
    return first

cdef inline int write_words(Nodes nodes, unsigned long long x, unsigned long long node, int first, int count, unsigned long long *source, int at) except -1:
    cdef int i
    if count >= 0 and plain(nodes, x, first, first + count):
        memcpy(held_at(x) + first, source + at, 8 * count)
        nodes.memory.d[(held_at(x) - nodes.memory.w) >> 9] = 1
        return 0
    if x != 0 and first >= 0 and first + count <= 32:
        for i in range(count):
            if held_at(x)[first + i] != source[at + i]:
                change(nodes.memory, held_at(x) + first + i - nodes.memory.w, source[at + i])
        return 0
    for i in range(count):
        put(nodes, x, node, first + i, source[at + i])
    return 0

cdef inline int clear_words(Nodes nodes, unsigned long long x, unsigned long long node, int first, int end) except -1:
    cdef int i
    if first <= end and plain(nodes, x, first, end):
        memset(held_at(x) + first, 0, 8 * (end - first))
        nodes.memory.d[(held_at(x) - nodes.memory.w) >> 9] = 1
        return 0
    if x != 0 and first >= 0 and end <= 32:
        for i in range(first, end):
            if held_at(x)[i] != 0:
                change(nodes.memory, held_at(x) + i - nodes.memory.w, 0)
        return 0
    for i in range(first, end):
        put(nodes, x, node, i, 0)
    return 0

cdef inline bint is_dead(Nodes nodes, unsigned long long x, unsigned long long node) except? -1:
    return word(nodes, x, node, 0) & ~255 == node

cdef inline bint died(Nodes nodes, unsigned long long x, unsigned long long node) except? -1:
    # Asked again after reads from a live node: what nobody watches has not changed meanwhile.
    return x == 0 and is_dead(nodes, x, node)

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
    cdef unsigned long long *pivots
    if x != 0 and end < 32:
        pivots = held_at(x) + 1
        while at < end and pivots[at] < index:
            at += 1
        return at
    while at < end and word(nodes, x, node, at + 1) < index:
        at += 1
    return at

cdef inline int next_slot_for(Nodes nodes, unsigned long long x, unsigned long long node, int at, int end, unsigned long long index) except? -1:
    cdef unsigned long long *pivots
    cdef unsigned long long pivot
    if x != 0 and end < 32:
        pivots = held_at(x) + 1
        while at < end:
            pivot = pivots[at]
            if index <= pivot or (pivot == 0 and at > 0):
                return at
            at += 1
        return at
    while at < end:
        pivot = word(nodes, x, node, at + 1)
        if index <= pivot or (pivot == 0 and at > 0):
            return at
        at += 1
    return at

cdef inline unsigned long long leaf_gap(Nodes nodes, unsigned long long x, unsigned long long node, int slots, int end, unsigned long long widest, int at) except? 0xDEADBEEFDEADBEEF:
    cdef unsigned long long *w
    cdef unsigned long long size
    if x != 0 and end < 32 and slots + end <= 32:
        w = held_at(x)
        while at < end:
            if w[slots + at] == 0:
                size = w[at + 1] - w[at]
                if size > widest:
                    widest = size
                at += 1
            at += 1
        return widest
    while at < end:
        if word(nodes, x, node, slots + at) == 0:
            size = word(nodes, x, node, at + 1) - word(nodes, x, node, at)
            if size > widest:
                widest = size
            at += 1
        at += 1
    return widest

cdef inline int gap_before(Nodes nodes, unsigned long long x, unsigned long long node, int type, int offset, unsigned long long low, unsigned long long min, unsigned long long max, unsigned long long index, unsigned long long last, unsigned long long size) except? -2:
    cdef bint ranges = type == 3
    cdef int values = nodes.gap_word if ranges else nodes.slot_word[type]
    cdef bint near = x != 0 and 0 <= offset and values + offset < 32
    cdef unsigned long long *w = held_at(x)
    cdef unsigned long long gap
    cdef int steps
    while index <= max:
        gap = w[values + offset] if near else word(nodes, x, node, values + offset)
        if not ranges:
            gap = max - min + 1 if gap == 0 else 0
        if gap and size <= gap and last >= min and size - 1 <= last - min:
            return offset
        steps = 2 if gap and not ranges else 1
        if offset < steps:
            return -1
        offset -= steps
        max = w[offset + 1] if near else word(nodes, x, node, offset + 1)
        min = low
        if offset > 0:
            min = ((w[offset] if near else word(nodes, x, node, offset)) + 1) & nodes.max_index
    return offset

# Single fields: the methods of Nodes without a call.

cdef inline unsigned long long slot_at(Nodes nodes, unsigned long long node, int type, int at) except? 0xDEADBEEFDEADBEEF:
    return word(nodes, index_of(nodes, node), node, nodes.slot_word[type & 15] + at)

cdef inline int put_slot(Nodes nodes, unsigned long long node, int type, int at, unsigned long long value) except -1:
    return put(nodes, index_of(nodes, node), node, nodes.slot_word[type & 15] + at, value)

cdef inline unsigned long long pivot_at(Nodes nodes, unsigned long long node, int at) except? 0xDEADBEEFDEADBEEF:
    return word(nodes, index_of(nodes, node), node, 1 + at)

cdef inline int put_pivot(Nodes nodes, unsigned long long node, int at, unsigned long long value) except -1:
    return put(nodes, index_of(nodes, node), node, 1 + at, value)

cdef inline unsigned long long gap_at(Nodes nodes, unsigned long long node, int at) except? 0xDEADBEEFDEADBEEF:
    return word(nodes, index_of(nodes, node), node, nodes.gap_word + at)

cdef inline int put_gap(Nodes nodes, unsigned long long node, int at, unsigned long long value) except -1:
    return put(nodes, index_of(nodes, node), node, nodes.gap_word + at, value)

cdef inline int meta_end_at(Nodes nodes, unsigned long long node, int type) except? -1:
    return (word(nodes, index_of(nodes, node), node, nodes.meta_word[type & 15]) >> nodes.meta_end_shift) & 255

cdef inline int meta_gap_at(Nodes nodes, unsigned long long node) except? -1:
    return (word(nodes, index_of(nodes, node), node, nodes.meta_word[3]) >> nodes.meta_gap_shift) & 255

cdef inline int put_meta(Nodes nodes, unsigned long long node, int type, int gap, int end) except -1:
    cdef unsigned long long x = index_of(nodes, node)
    cdef unsigned long long mask = 255
    cdef unsigned long long kept = word(nodes, x, node, nodes.meta_word[type & 15])
    kept &= ~((mask << nodes.meta_end_shift) | (mask << nodes.meta_gap_shift))
    kept |= (<unsigned long long> (end & 255)) << nodes.meta_end_shift
    kept |= (<unsigned long long> (gap & 255)) << nodes.meta_gap_shift
    return put(nodes, x, node, nodes.meta_word[type & 15], kept)

cdef inline int type_of(Nodes nodes, unsigned long long enode) except? -1:
    cdef int type = (enode >> 3) & 15
    if 1 <= type <= 3:
        return type
    return nodes.node_type(enode)

cdef inline unsigned long long parent_at(Nodes nodes, unsigned long long node) except? 0xDEADBEEFDEADBEEF:
    return word(nodes, index_of(nodes, node), node, 0)

cdef inline int put_parent(Nodes nodes, unsigned long long node, unsigned long long value) except -1:
    return put(nodes, index_of(nodes, node), node, 0, value)

cdef inline bint root_node(Nodes nodes, unsigned long long node) except? -1:
    return parent_at(nodes, node) & 1 != 0

cdef inline bint dead_node(Nodes nodes, unsigned long long node) except? -1:
    return parent_at(nodes, node) & ~255 == node

cdef inline unsigned long long parent_of(Nodes nodes, unsigned long long enode) except? 0xDEADBEEFDEADBEEF:
    return parent_at(nodes, enode & ~255) & ~255

cdef inline int parent_slot_of(Nodes nodes, unsigned long long enode) except? -1:
    cdef unsigned long long value = parent_at(nodes, enode & ~255)
    if value & 3 == 2:
        return (value & 0xF8) >> 3
    return nodes.mte_parent_slot(enode)

cdef inline int set_parent_of(Nodes nodes, unsigned long long enode, unsigned long long parent, int slot) except -1:
    if ((parent >> 3) & 15) < 2:
        return nodes.mte_set_parent(enode, parent, slot)
    return put_parent(nodes, enode & ~255, (parent & ~255) | (slot << 3) | 6)

cdef inline int set_dead(Nodes nodes, unsigned long long enode) except -1:
    return put_parent(nodes, enode & ~255, enode & ~255)

cdef inline int data_end_of(Nodes nodes, unsigned long long node, int type, unsigned long long max) except? -1:
    return end_of(nodes, index_of(nodes, node), node, type & 15, max)

cdef inline int end_at(Nodes nodes, MaState mas) except? -1:
    return data_end_of(nodes, mas.node & ~255, type_of(nodes, mas.node), mas.max)

cdef inline unsigned long long safe_pivot(Nodes nodes, unsigned long long node, int type, int at, unsigned long long max) except? 0xDEADBEEFDEADBEEF:
    return max if at >= nodes.pivots_of[type & 15] else pivot_at(nodes, node, at)

cdef inline unsigned long long safe_min(Nodes nodes, unsigned long long node, int at, unsigned long long min) except? 0xDEADBEEFDEADBEEF:
    return (pivot_at(nodes, node, at - 1) + 1) & nodes.max_index if at > 0 else min

# struct maple_tree.

cdef inline unsigned int flags_of(Nodes nodes, unsigned long long tree) except? 0xDEADBEEF:
    cdef unsigned long long address = tree + nodes.flags_at
    return (word(nodes, index_of(nodes, address), address, 0) >> nodes.flags_shift) & 0xFFFFFFFFU

cdef inline bint in_rcu(Nodes nodes, unsigned long long tree) except? -1:
    return flags_of(nodes, tree) & 2 != 0

cdef inline bint has_gaps(Nodes nodes, unsigned long long tree) except? -1:
    return flags_of(nodes, tree) & 1 != 0

cdef inline int height_of(Nodes nodes, unsigned long long tree) except? -1:
    return (flags_of(nodes, tree) & 0x7C) >> 2

cdef inline int inner_type_of(Nodes nodes, unsigned long long tree) except? -1:
    return 3 if flags_of(nodes, tree) & 1 else 2

cdef inline unsigned long long root_of(Nodes nodes, unsigned long long tree) except? 0xDEADBEEFDEADBEEF:
    cdef unsigned long long address = tree + nodes.root_at
    return word(nodes, index_of(nodes, address), address, 0)
