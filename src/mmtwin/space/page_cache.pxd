from mmtwin.pages cimport load, store
from mmtwin.pages.pages cimport Pages
from mmtwin.space.swap cimport Swap

cdef class PageCache(Swap):
    cdef unsigned long long at_nrpages
    cpdef unsigned long long inode_pages(self, unsigned long long inode) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long max_index(self, unsigned long long inode) except? 0xDEADBEEFDEADBEEF
    cpdef void set_inode_size(self, unsigned long long inode, unsigned long long size) except *
    cpdef unsigned long long find_get_page(self, unsigned long long inode, unsigned long long index) except? 0xDEADBEEFDEADBEEF
    cpdef bint add_to_page_cache(self, unsigned long long inode, unsigned long long page, unsigned long long index) except -1
    cpdef bint add_huge_to_page_cache(self, unsigned long long inode, unsigned long long head, unsigned long long index) except -1
    cpdef unsigned long long i_size_read(self, unsigned long long inode) except? 0xDEADBEEFDEADBEEF
    cpdef void truncate_partial_page(self, unsigned long long inode, unsigned long long index) except *
    cpdef unsigned long long shmem_swapin(self, unsigned long long inode, unsigned long long index, unsigned long long slot) except? 0xDEADBEEFDEADBEEF
    cpdef void split_across(self, unsigned long long inode, unsigned long long index) except *
    cpdef bint split_huge_page(self, unsigned long long head) except -1
    cpdef void delete_from_page_cache(self, unsigned long long page) except *
    cpdef void remove_from_page_cache(self, unsigned long long page) except *
    cpdef void leave_page_cache(self, unsigned long long page) except *
    cpdef unsigned long long read_page(self, unsigned long long inode, unsigned long long index, bint shared_memory) except? 0xDEADBEEFDEADBEEF
    cpdef bint file_is_shmem(self, unsigned long long file) except -1
    cpdef void truncate_inode_pages(self, unsigned long long inode, unsigned long long first, unsigned long long last) except *
    cpdef void evict_inode(self, unsigned long long inode) except *
