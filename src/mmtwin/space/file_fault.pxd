from mmtwin.memory.memory cimport Memory
from mmtwin.space.anon_fault cimport AnonFault

cdef class FileFault(AnonFault):
    cdef unsigned long long fault_page
    cdef bint fresh_table, maps_folios
    cpdef unsigned long long do_fault(self, unsigned long long vma, unsigned long long address, unsigned long long pte, bint write) except? 0xDEADBEEFDEADBEEF
    cpdef bint has_page_cache(self, unsigned long long vma) except -1
    cpdef unsigned long long do_read_fault(self, unsigned long long vma, unsigned long long address, unsigned long long pte) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long do_cow_fault(self, unsigned long long vma, unsigned long long address, unsigned long long pte) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long do_shared_fault(self, unsigned long long vma, unsigned long long address, unsigned long long pte) except? 0xDEADBEEFDEADBEEF
    cpdef void finish_fault(self, unsigned long long vma, unsigned long long address, unsigned long long pte, bint write) except *
    cdef unsigned long long first_pte_of_folio(self, unsigned long long vma, unsigned long long address, unsigned long long pte, unsigned long long page) except? 0xDEADBEEFDEADBEEF
    cdef void map_rest_of_folio(self, unsigned long long vma, unsigned long long head, unsigned long long first, bint write) except *
    cdef void map_around(self, unsigned long long vma, unsigned long long address, unsigned long long pte, unsigned long long page) except *
    cpdef bint vma_watched(self, unsigned long long vma) except -1
    cpdef void do_set_pte(self, unsigned long long vma, unsigned long long page, unsigned long long pte, bint write) except *
    cpdef unsigned long long shared_page_prot(self, unsigned long long vma) except? 0xDEADBEEFDEADBEEF
    cpdef bint vma_wants_writenotify(self, unsigned long long vma) except -1
    cpdef bint should_fault_around(self, unsigned long long vma) except -1
    cpdef bint do_fault_around(self, unsigned long long vma, unsigned long long address, unsigned long long pte) except -1
    cdef bint ends_with(self, unsigned long long inode, unsigned long long index, unsigned long long past) except -1
    cpdef unsigned long long file_page(self, unsigned long long vma, unsigned long long address) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long page_cache_readahead(self, unsigned long long vma, unsigned long long inode, unsigned long long index) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long do_kernel_fault(self, unsigned long long vma, unsigned long long address, unsigned long long pte, bint write) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long wp_copy_kernel_page(self, unsigned long long vma, unsigned long long address, unsigned long long pte) except? 0xDEADBEEFDEADBEEF
