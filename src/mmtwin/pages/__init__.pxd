# How the page allocator's rooms reach a word, put into each room's C code; words.py is the same in
# Python. What lies in the direct map of an unwatched memory needs no call.
from mmtwin.memory.memory cimport Memory

cdef inline unsigned long long load(Memory memory, unsigned long long address) except? 0xDEADBEEFDEADBEEF:
    cdef unsigned long long offset = address - memory.base
    if offset < memory.limit and offset & 7 == 0:
        return (<unsigned long long *> (<char *> memory.w + offset))[0]
    return memory.load(address)

cdef inline int change(Memory memory, unsigned long long index, unsigned long long value) except -1:
    # Memory.poke for a word that holds another value.
    cdef unsigned long long at
    if memory.journal is not None:
        at = memory.journal.at
        if at >= memory.journal.room:
            return memory.poke(index, value)
        memory.journal.words[at] = index
        memory.journal.words[at + 1] = memory.w[index]
        memory.journal.at = at + 2
    memory.w[index] = value
    memory.d[index >> 9] = 1
    return 0

cdef inline int store(Memory memory, unsigned long long address, unsigned long long value) except -1:
    cdef unsigned long long offset = address - memory.base
    if offset < memory.limit and offset & 7 == 0:
        if memory.w[offset >> 3] == value:
            return 0
        return change(memory, offset >> 3, value)
    memory.store(address, value)
    return 0

cdef inline int add(Memory memory, unsigned long long address, long long delta) except -1:
    return store(memory, address, load(memory, address) + <unsigned long long> delta)

cdef inline unsigned long long place(unsigned long long shift, unsigned long long address) noexcept:
    return address - shift if address >= 0xFFFFEA0000000000ULL else address
