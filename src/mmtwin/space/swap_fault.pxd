from mmtwin.memory.memory cimport Memory
from mmtwin.pages cimport load
from mmtwin.space.file_fault cimport FileFault

cdef class SwapFault(FileFault):
    cpdef unsigned long long do_swap_page(self, unsigned long long vma, unsigned long long address, unsigned long long pte, bint write) except? 0xDEADBEEFDEADBEEF
    cpdef bint should_try_to_free_swap(self, unsigned long long page, unsigned long long vma, bint write) except -1
