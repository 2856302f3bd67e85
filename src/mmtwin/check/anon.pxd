from mmtwin.check cimport was_at, word_at, word_then
from mmtwin.check.areas cimport AreaRules
from mmtwin.check.tally cimport Tally
from mmtwin.pages.slab cimport SlabCache

cdef class AnonRules(AreaRules):
    cdef readonly SlabCache anon_cache, link_cache
    cdef readonly Tally anons
    cdef long long link_count, anon_count
    cdef bint is_anon_vma(self, unsigned long long address) noexcept
    cdef bint is_link(self, unsigned long long address) noexcept
    cdef void link_fail(self, str invariant, unsigned long long avc, str field, str found, str expected) except *
    cdef void anon_fail(self, str invariant, unsigned long long anon, str field, str found, str expected) except *
    cdef void link(self, unsigned long long vma, unsigned long long avc, unsigned long long anon_vma) except *
    cdef void meet(self, unsigned long long anon_vma, long long sign) except *
    cdef void family(self, unsigned long long anon_vma, long long sign, bint old) except *
    cdef void anon_sums(self) except *
    cdef void _anon_sum(self, unsigned long long anon, unsigned long long nth, bint was) except *
    cdef long long since(self, unsigned long long address, bint was) noexcept
    cdef unsigned long long half_at(self, unsigned long long address, bint old) noexcept
    cdef bint _headed(self, unsigned long long anon) noexcept
    cdef bint _chained(self, unsigned long long anon, long long links) noexcept
