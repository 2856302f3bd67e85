from mmtwin.check.addresses cimport AddressSet
from mmtwin.check.anon cimport AnonRules
from mmtwin.check.tally cimport Tally
from mmtwin.pages.slab cimport SlabCache

cdef class SpaceCheck(AnonRules):
    cdef readonly SlabCache mm_cache, inode_cache, file_cache
    cdef unsigned long long at_users, at_map_count, at_total, at_data, at_stack, at_exec
    cdef unsigned long long at_locked, at_brk, at_start_brk, at_inode, charge_at, limit_at
    cdef long long charged
    cdef Tally inodes, areas, entered
    cdef AddressSet dead, stayed
    cdef void mm_fail(self, str invariant, unsigned long long mm, str field, str found, str expected) except *
    cdef void space(self, unsigned long long mm) except *
    cdef bint is_inode(self, unsigned long long address) noexcept
    cdef void totals(self) except *
    cdef void _counters(self, unsigned long long mm, unsigned long long nth, bint was) except *
    cdef void _counter(self, str invariant, unsigned long long mm, str field, unsigned long long at, unsigned long long nth, int column, bint was) except *
    cdef void _inode(self, unsigned long long inode, unsigned long long nth) except *
    cdef void _out(self, str invariant, str name, unsigned long long control, long long expected) except *
    cdef void objects(self) except *
    cdef void _changed(self, unsigned long long nth, unsigned long long first, unsigned long long number, unsigned long long stride) except *
    cdef void _object(self, unsigned long long address, unsigned long long number) except *
    cdef void _meet_area(self, unsigned long long vma) except *
    cdef void _meet_link(self, unsigned long long avc) except *
    cdef void _touched_mm(self, unsigned long long mm) except *
    cdef void _touched_file(self, unsigned long long file) except *
    cdef void _ceiling(self, unsigned long long mm) except *
    cdef void _touched_link(self, unsigned long long avc) except *
    cdef void _touched_anon(self, unsigned long long anon) except *
    cdef void _touched_inode(self, unsigned long long inode) except *
    cdef void _area_step(self, unsigned long long vma) except *
    cdef void _left_inode(self, unsigned long long vma) except *
    cdef unsigned long long _inode_of(self, unsigned long long vma, bint old) noexcept
