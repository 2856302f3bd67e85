from mmtwin.memory.memory cimport Memory
from mmtwin.pages cimport load
from mmtwin.space.swap_fault cimport SwapFault

cdef class Fault(SwapFault):
    cpdef unsigned long long fault_range(self, unsigned long long vma, unsigned long long start, unsigned long long end, bint write) except? 0xDEADBEEFDEADBEEF
    cpdef bint touch_huge(self, unsigned long long mm, unsigned long long address, bint write) except -1
    cpdef void hardware_access(self, unsigned long long at, unsigned long long entry, bint write) except *
    cpdef unsigned long long fault_page_in(self, unsigned long long vma, unsigned long long address, bint write) except? 0xDEADBEEFDEADBEEF
    cpdef bint access_goes_through(self, unsigned long long vma, unsigned long long address, bint write) except -1
    cpdef unsigned long long handle_mm_fault(self, unsigned long long vma, unsigned long long address, bint write) except? 0xDEADBEEFDEADBEEF
    cpdef bint thp_vma_allowable(self, unsigned long long vma, unsigned long long address) except -1
    cpdef unsigned long long create_huge_pmd(self, unsigned long long vma, unsigned long long address, unsigned long long pmd, bint write) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long map_huge_of_file(self, unsigned long long vma, unsigned long long address, unsigned long long pmd, bint write) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long huge_pmd_fault(self, unsigned long long vma, unsigned long long address, unsigned long long pmd, bint write) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long handle_pte_fault(self, unsigned long long vma, unsigned long long address, unsigned long long pte, bint write) except? 0xDEADBEEFDEADBEEF
    cpdef long long handle_range(self, unsigned long long vma, unsigned long long start, unsigned long long end, bint write) except? -1000000
    cpdef long long vm_fault_to_errno(self, unsigned long long bits) except? -1000000
    cpdef object fault_signal(self, unsigned long long mm, unsigned long long address, bint write)
