from mmtwin.check cimport has, was_at, word_at, word_then
from mmtwin.check.space_step cimport SpaceCheck
from mmtwin.check.tally cimport Tally

cdef class EntryRules(SpaceCheck):
    cdef unsigned long long at_pgd, at_tables, at_rss, rss_stride, at_nrpages, page_map, frames
    cdef unsigned long long at_usage, huge_index_shift
    cdef int top_level, mapcount_shift, refcount_shift, leaf_bits, table_bits
    cdef long long huge_pages
    cdef object mm_layout
    cdef unsigned long long table_type, zero_pfn, huge_zero_at, swap_info, locked, swapbacked, exclusive
    cdef Tally residents, mapped, slots, caches_of, walked
    cdef unsigned long long near_first, near_last, near_vma, near_mm, at_f_op
    cdef void clear(self) except *
    cdef int shift_of(self, int level) noexcept
    cdef unsigned long long entries_of(self, int level) noexcept
    cdef int area(self, unsigned long long mm, unsigned long long vma) except -1
    cdef bint leads(self, int level, unsigned long long entry) noexcept
    cdef unsigned long long pfn_of(self, unsigned long long entry) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long head_of(self, unsigned long long page, bint old) except? 0xDEADBEEFDEADBEEF
    cdef bint is_hugetlb(self, unsigned long long page, bint old) except -1
    cdef int kind_of(self, unsigned long long page, bint old) except? -1
    cdef void count_table(self, unsigned long long mm, int level, long long sign, int kind) except *
    cdef void count_entry(self, unsigned long long mm, int level, unsigned long long entry, long long sign, bint old) except *
    cdef unsigned long long swap_slot(self, unsigned long long entry) noexcept
    cdef unsigned long long moving_page(self, unsigned long long entry) noexcept
    cdef void count_huge(self, unsigned long long mm, unsigned long long pfn, long long sign, bint old) except *
    cdef long long cached_size(self, unsigned long long page, bint old) except? -1000000
    cdef void entry_fail(self, str invariant, unsigned long long mm, unsigned long long address, str found, str expected) except *
    cdef void judge_entry(self, unsigned long long mm, unsigned long long address, int level, unsigned long long entry) except *
    cdef void judge_absent(self, unsigned long long mm, unsigned long long address, unsigned long long entry) except *
    cdef void judge_page(self, unsigned long long mm, unsigned long long vma, unsigned long long address, unsigned long long entry, unsigned long long page) except *
    cdef bint in_chain(self, unsigned long long vma, unsigned long long anon) except -1
    cdef void sums_of_tables(self) except *
    cdef void resident_sums(self, unsigned long long mm, unsigned long long nth) except *
    cdef long long maps_of(self, unsigned long long page, bint old) except? -1000000
    cdef int mapped_sum(self, unsigned long long page, unsigned long long nth) except -1
    cdef void huge_sum(self, unsigned long long page, long long huge) except *
    cdef long long huge_maps_of(self, unsigned long long page, bint old) except? -1000000
