# How compiled rooms reach the words of an array; held.py is the same in Python.

cdef inline unsigned long long *words_of(object held) except NULL:
    return <unsigned long long *><size_t>held.buffer_info()[0]

cdef inline long long *integers_of(object held) except NULL:
    return <long long *><size_t>held.buffer_info()[0]
