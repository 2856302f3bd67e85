from mmtwin.pages cimport load, store
from mmtwin.space.page_state cimport PageState
from mmtwin.space.xarray cimport XArray

cdef class Swap(PageState):
    cdef readonly XArray xa
    cpdef unsigned long long swp_pte(self, unsigned long long kind, unsigned long long offset) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long swp_type(self, unsigned long long pte) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long swp_offset(self, unsigned long long pte) except? 0xDEADBEEFDEADBEEF
    cpdef bint is_swap_pte(self, unsigned long long pte) except -1
    cpdef bint is_migration_pte(self, unsigned long long pte) except -1
    cpdef bint is_marker_pte(self, unsigned long long pte) except -1
    cpdef unsigned long long migration_page(self, unsigned long long pte) except? 0xDEADBEEFDEADBEEF
    cpdef void swapon(self, unsigned long long slots) except *
    cpdef void swap_duplicate(self, unsigned long long slot) except *
    cpdef void free_swap_cache(self, unsigned long long page) except *
    cpdef void swap_free(self, unsigned long long slot) except *
    cpdef unsigned long long swap_count(self, unsigned long long slot) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long swap_cache_lookup(self, unsigned long long slot) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long read_swap(self, unsigned long long slot) except? 0xDEADBEEFDEADBEEF
    cpdef void delete_from_swap_cache(self, unsigned long long page) except *
