from mmtwin.maple.maple cimport Maple
from mmtwin.maple.state cimport MaState

cpdef long store_many(Maple maple, unsigned long long tree, unsigned long long[::1] firsts, unsigned long long[::1] lasts, unsigned long long[::1] entries, unsigned long long gfp) except -1
cpdef long load_many(Maple maple, unsigned long long tree, unsigned long long[::1] indexes, unsigned long long[::1] found) except -1
cpdef long erase_many(Maple maple, unsigned long long tree, unsigned long long[::1] indexes, unsigned long long[::1] found) except -1
cpdef long find_many(Maple maple, unsigned long long tree, unsigned long long first, unsigned long long max, unsigned long long[::1] firsts, unsigned long long[::1] lasts, unsigned long long[::1] entries) except -1
cpdef long fill_many(Maple maple, unsigned long long tree, unsigned long long min, unsigned long long max, unsigned long long[::1] sizes, unsigned long long[::1] entries, unsigned long long[::1] firsts, bint from_top, unsigned long long gfp) except -1
cpdef long search_many(Maple maple, unsigned long long tree, unsigned long long[::1] lows, unsigned long long max, unsigned long long[::1] sizes, unsigned long long[::1] firsts, bint from_top) except -1
