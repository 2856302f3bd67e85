from mmtwin.pages cimport add, load, store
from mmtwin.pages.prep cimport Prep

cdef class Pcplists(Prep):
    cdef readonly int cpus, pcp_lists
    cdef public int cpu
    cpdef int pcp_list_count(self) except -1
    cpdef unsigned long long per_cpu_pages(self, unsigned long long zone, int cpu) except? 0xDEADBEEFDEADBEEF
    cpdef int order_to_pindex(self, int migratetype, int order) except -1
    cpdef int pindex_to_order(self, int pindex) except -1
    cpdef bint pcp_spin_trylock(self, unsigned long long pcp) except -1
    cpdef int hold_pcp_lock(self, unsigned long long zone, int cpu, bint held) except -1
    cpdef long long rmqueue_bulk(self, unsigned long long zone, int order, long long count, unsigned long long head, int migratetype, int alloc_flags) except -1
    cpdef unsigned long long _rmqueue_pcplist(self, unsigned long long zone, int order, int migratetype, int alloc_flags, unsigned long long pcp, unsigned long long head) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long rmqueue_pcplist(self, unsigned long long zone, int order, int migratetype, int alloc_flags) except? 0xDEADBEEFDEADBEEF
    cpdef long long nr_pcp_free(self, unsigned long long pcp, long long high, long long batch, bint free_high) except -1
    cpdef long long nr_pcp_high(self, unsigned long long pcp, unsigned long long zone, bint free_high) except -1
    cpdef int free_pcppages_bulk(self, unsigned long long zone, long long count, unsigned long long pcp, int pindex) except -1
    cpdef int drained_type(self, unsigned long long page, int cached, bint isolated) except -1
    cpdef int trace_drain(self, unsigned long long page, int order, int migratetype) except -1
    cpdef int free_unref_page_commit(self, unsigned long long zone, unsigned long long pcp, unsigned long long page, int migratetype, int order) except -1
    cpdef int free_unref_page(self, unsigned long long page, int order) except -1
    cpdef int untracked_type(self, int migratetype, int pcptype) except -1
    cpdef int _free_pages_ok(self, unsigned long long page, int order, int fpi_flags) except -1
    cpdef int drain_pages_zone(self, int cpu, unsigned long long zone) except -1
    cpdef int drain_all_pages(self, unsigned long long zone) except -1
