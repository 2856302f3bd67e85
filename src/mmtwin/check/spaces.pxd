from mmtwin.check cimport has, word_at
from mmtwin.check.anon cimport AnonRules
from mmtwin.check.tally cimport Tally
from mmtwin.pages.slab cimport SlabCache

cdef class SpaceRules(AnonRules):
    cdef readonly SlabCache mm_cache
    cdef unsigned long long at_users, at_map_count, at_total, at_data, at_stack, at_exec
    cdef unsigned long long at_locked, at_brk, at_start_brk, charge_at, limit_at
    cdef long long charged
    cdef Tally inodes, areas, live
    cdef void mm_fail(self, str invariant, unsigned long long mm, str field, str found, str expected) except *
    cpdef void take(self, mms) except *
    cpdef void take_threads(self, unsigned long long head) except *
    cpdef list everything(self)
    cdef void space(self, unsigned long long mm) except *
    cdef void totals(self) except *
    cdef int _counters(self, unsigned long long mm, unsigned long long nth, bint was) except -1
    cdef int _counter(self, str invariant, unsigned long long mm, str field, unsigned long long at, unsigned long long nth, int column, bint was) except -1
    cdef void _inode(self, unsigned long long inode, unsigned long long nth) except *
    cdef void _out(self, str invariant, str name, unsigned long long control, long long expected) except *
