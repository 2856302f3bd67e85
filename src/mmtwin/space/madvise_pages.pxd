from mmtwin.memory.memory cimport Memory
from mmtwin.pages cimport load
from mmtwin.space.move_page_tables cimport MovePageTables

cdef class MadvisePages(MovePageTables):
    cdef bint pageout_keeps_young, advises_folios, reclaims_tables
    cpdef void advise_pages(self, unsigned long long vma, unsigned long long start, unsigned long long end, unsigned long long advice) except *
    cpdef void free_empty_tables(self, unsigned long long vma, unsigned long long start, unsigned long long end) except *
    cpdef void walk_present(self, unsigned long long vma, unsigned long long start, unsigned long long end, unsigned long long advice) except *
    cpdef unsigned long long advise_huge_pmd(self, unsigned long long vma, unsigned long long pmd, unsigned long long start, unsigned long long end, unsigned long long advice) except? 0xDEADBEEFDEADBEEF
    cpdef bint takes_whole_folio(self, unsigned long long pte, unsigned long long page) except -1
    cpdef bint split_for_advice(self, unsigned long long vma, unsigned long long page, unsigned long long advice) except -1
    cpdef bint advise_pte(self, unsigned long long vma, unsigned long long address, unsigned long long pte, unsigned long long entry, unsigned long long advice) except -1
    cpdef void madvise_free_pte(self, unsigned long long pte, unsigned long long entry, unsigned long long page) except *
    cpdef void mark_page_lazyfree(self, unsigned long long page) except *
    cpdef void page_out(self, unsigned long long page) except *
    cpdef void madvise_willneed(self, unsigned long long vma, unsigned long long start, unsigned long long end) except *
    cpdef void swap_readahead(self, unsigned long long slot) except *
    cpdef void punch_hole(self, unsigned long long vma, unsigned long long start, unsigned long long end) except *
    cpdef void unmap_mapping_range(self, unsigned long long inode, unsigned long long first, unsigned long long last, bint even_cows) except *
    cpdef void truncate(self, unsigned long long inode, unsigned long long size) except *
    cpdef long long install_guards(self, unsigned long long vma, unsigned long long start, unsigned long long end) except? -1000000
    cpdef void remove_guards(self, unsigned long long vma, unsigned long long start, unsigned long long end) except *
    cpdef long long populate_range(self, unsigned long long vma, unsigned long long start, unsigned long long end, bint write) except? -1000000
    cpdef void follow_page_touch(self, unsigned long long entry, bint write) except *
