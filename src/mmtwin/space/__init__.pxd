# How the address space's rooms reach parts of words and copy objects, put into each room's C code;
# parts.py is the same in Python.
from mmtwin.memory.memory cimport Memory
from mmtwin.pages cimport load, store

cdef inline int shift_of(Memory memory, unsigned long long offset, int size) noexcept:
    cdef int at = offset & 7
    return 8 * (8 - size - at) if memory.big_endian else 8 * at

cdef inline unsigned long long load32(Memory memory, unsigned long long address) except? 0xDEADBEEFDEADBEEF:
    cdef unsigned long long offset = address - memory.base
    if offset < memory.limit and offset & 3 == 0:
        return (memory.w[offset >> 3] >> shift_of(memory, offset, 4)) & 0xFFFFFFFFU
    return memory.load32(address)

cdef inline unsigned long long load8(Memory memory, unsigned long long address) except? 0xDEADBEEFDEADBEEF:
    cdef unsigned long long offset = address - memory.base
    if offset < memory.limit:
        return (memory.w[offset >> 3] >> shift_of(memory, offset, 1)) & 255
    return memory.load8(address)

cdef inline int store32(Memory memory, unsigned long long address, unsigned long long value) except -1:
    cdef unsigned long long offset = address - memory.base
    cdef unsigned long long mask = 0xFFFFFFFFU
    cdef int shift
    if offset < memory.limit and offset & 3 == 0:
        shift = shift_of(memory, offset, 4)
        value = memory.w[offset >> 3] & ~(mask << shift) | (value & mask) << shift
        return store(memory, address & ~7, value)
    memory.store32(address, value)
    return 0

cdef inline int store8(Memory memory, unsigned long long address, unsigned long long value) except -1:
    cdef unsigned long long offset = address - memory.base
    cdef unsigned long long mask = 255
    cdef int shift
    if offset < memory.limit:
        shift = shift_of(memory, offset, 1)
        value = memory.w[offset >> 3] & ~(mask << shift) | (value & mask) << shift
        return store(memory, address & ~7, value)
    memory.store8(address, value)
    return 0

cdef inline int copy(Memory memory, unsigned long long target, unsigned long long source, unsigned long long size) except -1:
    cdef unsigned long long at = 0
    while at < size:
        store(memory, target + at, load(memory, source + at))
        at += 8
    return 0
