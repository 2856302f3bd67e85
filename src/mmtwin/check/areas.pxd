cimport cython

from mmtwin.check cimport block_of, held, touched, word_at, word_then
from mmtwin.check.lookup cimport Lookup
from mmtwin.check.tally cimport Tally
from mmtwin.pages.slab cimport SlabCache

cdef class AreaRules(Lookup):
    cdef unsigned long long map_word
    cdef readonly SlabCache vma_cache, inode_cache, file_cache
    cdef unsigned long long vma_size, at_mm, at_flags, at_prot, at_pgoff, at_file, at_ops
    cdef unsigned long long at_anon, at_chain, at_shared, at_tree, at_task_size, at_inode
    cdef unsigned long long at_uffd, uffd_flags
    cdef readonly Tally sums
    cdef readonly bint stale_offsets
    cdef readonly int page_shift
    cdef unsigned long long page_mask
    cdef unsigned long long prot_none, prot_read, prot_write, prot_nx
    @cython.final
    cdef unsigned long long object_at(self, unsigned long long address, unsigned long long number, unsigned long long stride) noexcept
    @cython.final
    cdef bint is_vma(self, unsigned long long address) noexcept
    cdef void vma_fail(self, str invariant, unsigned long long vma, str field, str found, str expected) except *
    cdef int leaf(self, unsigned long long node, int end, unsigned long long least, unsigned long long most, bint fresh) except -1
    @cython.final
    cdef bint _range_kept(self, unsigned long long vma) noexcept
    cdef int entry(self, unsigned long long mm, unsigned long long vma, unsigned long long low, unsigned long long high) except -1
    cdef int enter_area(self, unsigned long long vma) except -1
    cdef int agrees(self, unsigned long long vma, unsigned long long low, unsigned long long high) except -1
    cdef int area(self, unsigned long long mm, unsigned long long vma) except -1
    cdef int _clean_offset(self, unsigned long long vma, unsigned long long start, unsigned long long flags) except -1
    @cython.final
    cdef unsigned long long protection(self, unsigned long long flags) noexcept
    cdef int file_links(self, unsigned long long vma) except -1
    cdef unsigned long long _list_owner(self, unsigned long long link) noexcept
    cdef int _next_in_list(self, unsigned long long vma, unsigned long long inode) except -1
    @cython.final
    cdef unsigned long long inode_of(self, unsigned long long vma, bint old) noexcept
    @cython.final
    cdef bint is_inode(self, unsigned long long address) noexcept
    @cython.final
    cdef bint aligned(self, unsigned long long address) noexcept
    cdef int anon(self, unsigned long long vma, unsigned long long flags) except -1
    cdef int account(self, unsigned long long mm, unsigned long long vma, long long sign, bint old) except -1
    cdef int account_file(self, unsigned long long vma, unsigned long long flags, long long sign, bint old) except -1
    cdef int account_anon(self, unsigned long long vma, long long sign, bint old) except -1
