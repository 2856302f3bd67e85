from mmtwin.pages.swap_in cimport SwapIn

cdef class Contig(SwapIn):
    cpdef unsigned long long contig_alignment(self) except? 0xDEADBEEFDEADBEEF
    cpdef int isolate_single_pageblock(self, unsigned long long boundary_pfn, bint before, bint isolated, int migratetype) except? -1
    cpdef int start_isolate_page_range(self, unsigned long long start_pfn, unsigned long long end_pfn, int migratetype) except? -1
    cpdef int undo_isolate_page_range(self, unsigned long long start_pfn, unsigned long long end_pfn, int migratetype) except? -1
    cpdef unsigned long long outer_start(self, unsigned long long pfn) except? 0xDEADBEEFDEADBEEF
    cpdef bint test_pages_isolated(self, unsigned long long start_pfn, unsigned long long end_pfn) except -1
    cpdef int alloc_contig_range(self, unsigned long long start_pfn, unsigned long long end_pfn, int migratetype) except? -1
    cpdef int grab_isolated(self, unsigned long long start_pfn, unsigned long long end_pfn) except? -1
    cpdef int free_contig_range(self, unsigned long long start_pfn, unsigned long long nr_pages) except -1
