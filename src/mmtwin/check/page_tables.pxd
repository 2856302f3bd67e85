from mmtwin.check cimport has, was_at, word_at, word_changed, word_then
cimport cython

from mmtwin.check.tables cimport TableRules

cdef class PageTableCheck(TableRules):
    cpdef list everything(self)
    @cython.final
    cdef unsigned long long judge_word(self, unsigned long long mm, unsigned long long address, int level, unsigned long long entry) except? 0xDEADBEEFDEADBEEF
    cdef void walk_table(self, unsigned long long mm, unsigned long long table, int level, unsigned long long first) except *
    cpdef list since_mark(self, unsigned long long mark)
    @cython.final
    cdef int touched_block(self, unsigned long long nth, unsigned long long block) except -1
    @cython.final
    cdef void old_word(self, unsigned long long mm, int level, unsigned long long raw) except *
    @cython.final
    cdef void new_word(self, unsigned long long mm, unsigned long long address, int level, unsigned long long raw) except *
    cdef void tops_changed(self) except *
    cdef void remade_entries(self, unsigned long long table, unsigned long long mm, unsigned long long first, int level, bint old) except *
    @cython.final
    cdef int touched_pages(self, unsigned long long nth, unsigned long long block) except -1
    cdef void cached_page(self, unsigned long long page, unsigned long long counts, unsigned long long mapping, bint old) except *
    cdef void remade_table(self, unsigned long long table) except *
    cdef int area_kept(self, unsigned long long nth, unsigned long long vma) except -1
    cdef bint suits(self, unsigned long long vma, unsigned long long address) except -1
    cdef bint replaces(self, unsigned long long vma, unsigned long long prior) except -1
    cdef void uncovered(self, unsigned long long mm, unsigned long long start, unsigned long long end) except *
    cdef void rejudge(self, unsigned long long mm, unsigned long long start, unsigned long long end) except *
    cdef void rejudge_table(self, unsigned long long mm, unsigned long long table, int level, unsigned long long first, unsigned long long start, unsigned long long end) except *
    cdef bint resident_changed(self, unsigned long long mm) except -1
