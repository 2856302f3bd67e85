from mmtwin.check cimport was_at, word_at, word_then
from mmtwin.check.entries cimport EntryRules

cdef class TableRules(EntryRules):
    cdef object translation
    cdef bint translates
    cdef unsigned long long at_asce, at_limit
    cdef bint is_table(self, unsigned long long pfn, bint old) except -1
    cdef bint counts_table(self, unsigned long long counts) noexcept
    cdef unsigned long long table_page(self, unsigned long long table) noexcept
    cdef unsigned long long halves(self, unsigned long long pfn, bint old) noexcept
    cdef int top_of(self, unsigned long long mm, bint old) noexcept
    cdef unsigned long long place_of(self, unsigned long long table, bint old) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long table_around(self, unsigned long long block) except? 0xDEADBEEFDEADBEEF
    cdef bint table_moved(self, unsigned long long table) except -1
    cdef unsigned long long table_below(self, int level, unsigned long long entry) noexcept
    cdef unsigned long long below(self, unsigned long long mm, unsigned long long address, int level, unsigned long long entry) except? 0xDEADBEEFDEADBEEF
    cdef void space(self, unsigned long long mm) except *
    cdef unsigned long long empty_of(self, int level) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long told(self, int level, unsigned long long raw) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long read(self, unsigned long long mm, unsigned long long address, int level, unsigned long long raw) except? 0xDEADBEEFDEADBEEF
