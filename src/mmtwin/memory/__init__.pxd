# How compiled rooms reach the words of an array; held.py is the same in Python.
from libc.string cimport memcpy

cdef inline unsigned long long *words_of(object held) except NULL:
    return <unsigned long long *><size_t>held.buffer_info()[0]

cdef inline long long *integers_of(object held) except NULL:
    return <long long *><size_t>held.buffer_info()[0]

cdef inline void copy_words(unsigned long long *to, unsigned long long at, unsigned long long *source, unsigned long long first, unsigned long long count) noexcept:
    memcpy(to + at, source + first, 8 * count)
