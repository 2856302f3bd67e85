from mmtwin.pages cimport load, store
from mmtwin.space cimport load32, store32
from mmtwin.space.counters cimport Counters

cdef class AnonVma(Counters):
    cdef unsigned long long anon_vma_alloc(self) except? 0xDEADBEEFDEADBEEF
    cdef void anon_vma_free(self, unsigned long long anon_vma) except *
    cdef void put_anon_vma(self, unsigned long long anon_vma) except *
    cdef void anon_vma_count(self, unsigned long long anon_vma, unsigned long long field, int change) except *
    cdef void anon_vma_chain_link(self, unsigned long long vma, unsigned long long avc, unsigned long long anon_vma) except *
    cdef void anon_vma_chain_unlink(self, unsigned long long avc) except *
    cdef void anon_vma_interval_tree_insert(self, unsigned long long avc, unsigned long long anon_vma) except *
    cdef void anon_vma_interval_tree_remove(self, unsigned long long avc, unsigned long long anon_vma) except *
    cpdef void anon_vma_interval_tree_pre_update_vma(self, unsigned long long vma) except *
    cpdef void anon_vma_interval_tree_post_update_vma(self, unsigned long long vma) except *
    cdef void init_chain(self, unsigned long long vma) except *
    cdef bint chain_is_empty(self, unsigned long long vma) except -1
    cpdef bint chain_is_singular(self, unsigned long long vma) except -1
    cpdef long long anon_vma_clone(self, unsigned long long dst, unsigned long long src) except? -1000000
    cpdef long long anon_vma_fork(self, unsigned long long vma, unsigned long long pvma) except? -1000000
    cpdef void unlink_anon_vmas(self, unsigned long long vma) except *
    cpdef bint anon_vma_compatible(self, unsigned long long a, unsigned long long b) except -1
    cpdef unsigned long long reusable_anon_vma(self, unsigned long long old, unsigned long long a, unsigned long long b) except? 0xDEADBEEFDEADBEEF
    cpdef long long anon_vma_attach(self, unsigned long long vma, unsigned long long near) except? -1000000
