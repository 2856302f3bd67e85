from mmtwin.check cimport has, block_of, was_at, word_at, word_changed, word_then
from mmtwin.check.addresses cimport AddressSet
from mmtwin.check.spaces cimport SpaceRules
from mmtwin.check.tally cimport Tally
from mmtwin.memory cimport words_of

cdef class SpaceCheck(SpaceRules):
    cdef Tally entered
    cdef unsigned long long known
    cdef object held_strides
    cdef unsigned long long *strides
    cpdef list since_mark(self, unsigned long long mark)
    cdef void _spaces(self) except *
    cdef AddressSet dead, stayed
    cdef void objects(self) except *
    cdef int _changed(self, unsigned long long nth, unsigned long long first, unsigned long long number, unsigned long long stride) except -1
    cdef int _object(self, unsigned long long address, unsigned long long number) except -1
    cdef int _meet_area(self, unsigned long long vma) except -1
    cdef int _meet_link(self, unsigned long long avc) except -1
    cdef int _touched_mm(self, unsigned long long mm) except -1
    cdef void _touched_file(self, unsigned long long file) except *
    cdef void _ceiling(self, unsigned long long mm) except *
    cdef int _touched_link(self, unsigned long long avc) except -1
    cdef int _touched_anon(self, unsigned long long anon) except -1
    cdef int _touched_inode(self, unsigned long long inode) except -1
    cdef bint _counts_as_before(self, unsigned long long vma) noexcept
    cdef int _area_step(self, unsigned long long nth, unsigned long long vma) except -1
