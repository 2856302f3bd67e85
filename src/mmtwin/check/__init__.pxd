# How the checks reach words, put into each room's C code; words.py is the same in Python.
from mmtwin.check.addresses cimport AddressSet
from mmtwin.check.overlay cimport Overlay, Words
from mmtwin.check.page_words cimport PageWords

cdef inline unsigned long long was_word(Overlay overlay, unsigned long long index) noexcept:
    cdef unsigned long long place = overlay.table[index >> 5]
    if place < overlay.tag:
        return overlay.w[index]
    return overlay.images[((place - overlay.tag) << 5) + (index & 31)]

cdef inline bint touched(Overlay overlay, unsigned long long index) noexcept:
    return overlay.table[index >> 5] >= overlay.tag

cdef inline bint word_changed(Overlay overlay, unsigned long long index) noexcept:
    return was_word(overlay, index) != overlay.w[index]

cdef inline unsigned long long word_at(Words check, unsigned long long address) noexcept:
    return check.w[(address - check.base) >> 3]

cdef inline unsigned long long was_at(Words check, unsigned long long address) noexcept:
    return was_word(check.overlay, (address - check.base) >> 3)

cdef inline unsigned long long word_then(Words check, unsigned long long address, bint old) noexcept:
    return was_at(check, address) if old else word_at(check, address)

cdef inline unsigned long long of_page(PageWords check, unsigned long long pfn, unsigned long long offset) noexcept:
    return check.w[(check.memmap + 64 * pfn + offset) >> 3]

cdef inline bint held(Words check, unsigned long long address) noexcept:
    return address >= check.base + 4096 and address - check.base <= check.size - 256

cdef inline bint has(AddressSet members, unsigned long long address) noexcept:
    cdef unsigned long long *place
    if members.count == 0:
        return False
    place = members.table + 3 * ((address * 0x9E3779B97F4A7C15ULL) >> members.shift)
    if place[1] != members.generation:
        return False
    return place[0] == address or members.has(address)

cdef inline int block_of(Overlay overlay, unsigned long long index) noexcept:
    if index >> 5 >= overlay.size or overlay.table[index >> 5] < overlay.tag:
        return -1
    return overlay.table[index >> 5] - overlay.tag
