from mmtwin.pages cimport load, store
from mmtwin.pages.memmap cimport MemMap

cdef class Pageblocks(MemMap):
    cdef readonly int mt_unmovable, mt_movable, mt_reclaimable, mt_reserve, mt_highatomic, mt_cma, mt_isolate
    cdef readonly int mt_types, mt_pcptypes, block_bits
    cdef readonly unsigned long long pageblock_words, pageblock_flags, sysctl
    cpdef unsigned long long pageblock_word(self, unsigned long long pfn) except? 0xDEADBEEFDEADBEEF
    cpdef int pageblock_shift(self, unsigned long long pfn) except -1
    cpdef unsigned long long get_pfnblock_flags(self, unsigned long long pfn) except? 0xDEADBEEFDEADBEEF
    cpdef int set_pfnblock_flags_mask(self, unsigned long long pfn, unsigned long long flags, unsigned long long mask) except -1
    cpdef int get_pfnblock_migratetype(self, unsigned long long pfn) except -1
    cpdef int get_pageblock_migratetype(self, unsigned long long page) except -1
    cpdef int set_pageblock_migratetype(self, unsigned long long page, int migratetype) except -1
    cpdef bint spanned(self, unsigned long long pfn) except -1
    cpdef bint get_pageblock_skip(self, unsigned long long page) except -1
    cpdef int set_pageblock_skip(self, unsigned long long page) except -1
    cpdef int clear_pageblock_skip(self, unsigned long long page) except -1
    cpdef bint mobility_disabled(self) except -1
    cpdef bint migratetype_is_mergeable(self, int migratetype) except -1
    cpdef bint is_migrate_isolate_page(self, unsigned long long page) except -1
