from mmtwin.maple.state cimport MaState
from mmtwin.space.unmapped_area cimport UnmappedArea

cdef class Touch(UnmappedArea):
    cpdef long long handle_range(self, unsigned long long vma, unsigned long long start, unsigned long long end, bint write) except? -1000000
    cpdef long long populate_range(self, unsigned long long vma, unsigned long long start, unsigned long long end, bint write) except? -1000000
    cpdef long long touch(self, unsigned long long mm, unsigned long long addr, unsigned long long length, bint write) except? -1000000
    cpdef long long expand_stack(self, unsigned long long vma, unsigned long long address) except? -1000000
    cpdef long long expand_downwards(self, unsigned long long vma, unsigned long long address) except? -1000000
    cdef void stack_grows(self, MaState mas, unsigned long long vma, unsigned long long address, unsigned long long grow) except *
    cpdef long long acct_stack_growth(self, unsigned long long vma, unsigned long long size, unsigned long long grow) except? -1000000
    cpdef long long mm_populate(self, unsigned long long mm, unsigned long long start, unsigned long long length, bint ignore_errors) except? -1000000
    cpdef long long populate_vma_page_range(self, unsigned long long vma, unsigned long long start, unsigned long long end) except? -1000000
