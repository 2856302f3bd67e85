from mmtwin.pages cimport add, load, store
from mmtwin.pages.gfp_request cimport GfpRequest

cdef class Lru(GfpRequest):
    cdef public object rmap
    cdef readonly unsigned long long pg_locked, pg_referenced, pg_uptodate, pg_dirty, pg_active, pg_slab
    cdef readonly unsigned long long pg_workingset, pg_writeback, pg_reclaim, pg_swapbacked
    cdef readonly unsigned long long pg_unevictable, pg_mlocked, pg_swapcache, mask_of_split
    cdef readonly unsigned long long node_base, events
    cpdef unsigned long long pgdat(self, int node) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long lru_list(self, int node, int lru) except? 0xDEADBEEFDEADBEEF
    cpdef bint daemons_woken(self) except -1
    cpdef int page_to_nid(self, unsigned long long page) except -1
    cpdef bint test_page_flag(self, unsigned long long page, unsigned long long flag) except -1
    cpdef int set_page_flag(self, unsigned long long page, unsigned long long flag) except -1
    cpdef int clear_page_flag(self, unsigned long long page, unsigned long long flag) except -1
    cpdef bint trylock_page(self, unsigned long long page) except -1
    cpdef int unlock_page(self, unsigned long long page) except -1
    cpdef bint page_anon(self, unsigned long long page) except -1
    cpdef bint page_mapped(self, unsigned long long page) except -1
    cpdef bint folio_test_swapcache(self, unsigned long long page) except -1
    cpdef bint folio_is_file_lru(self, unsigned long long page) except -1
    cpdef bint folio_evictable(self, unsigned long long page) except -1
    cpdef unsigned long long page_mapcount_add(self, unsigned long long page, long long delta) except? 0xDEADBEEFDEADBEEF
    cpdef int folio_lru_list(self, unsigned long long page) except -1
    cpdef int update_lru_size(self, unsigned long long zone, int lru, long long delta) except -1
    cpdef long long folio_nr_pages(self, unsigned long long page) except -1
    cpdef int lruvec_add_folio(self, unsigned long long page) except -1
    cpdef int lruvec_del_folio(self, unsigned long long page) except -1
    cpdef int folio_add_lru(self, unsigned long long page) except -1
    cpdef bint folio_isolate_lru(self, unsigned long long page) except -1
    cpdef int folio_putback_lru(self, unsigned long long page) except -1
    cpdef int page_cache_release(self, unsigned long long page) except -1
    cpdef int folio_activate(self, unsigned long long page) except -1
    cpdef int folio_mark_accessed(self, unsigned long long page) except -1
    cpdef int set_mlocked(self, unsigned long long page) except -1
    cpdef int clear_mlocked(self, unsigned long long page) except -1
    cpdef int mlock_new_folio(self, unsigned long long page) except -1
    cpdef int mlock_folio(self, unsigned long long page) except -1
    cpdef int munlock_folio(self, unsigned long long page) except -1
    cpdef int set_page_lru(self, unsigned long long page, bint on) except -1
    cpdef int list_splice(self, unsigned long long source, unsigned long long head) except -1
    cpdef int free_the_page(self, unsigned long long page, int order) except -1
    cpdef int put_page(self, unsigned long long page) except -1
