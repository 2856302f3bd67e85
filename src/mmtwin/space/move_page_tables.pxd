from mmtwin.memory.memory cimport Memory
from mmtwin.pages cimport load
from mmtwin.space.fault cimport Fault
from mmtwin.space.move_vma cimport Move

cdef class MovePageTables(Fault):
    cpdef unsigned long long move_page_tables(self, Move move, unsigned long long target) except? 0xDEADBEEFDEADBEEF
    cpdef void move_back(self, Move move, unsigned long long target, unsigned long long moved) except *
    cpdef bint shift_page_tables(self, unsigned long long vma, unsigned long long start, unsigned long long end, unsigned long long shift) except -1
    cpdef unsigned long long move_entries(self, unsigned long long vma, unsigned long long target, unsigned long long old, unsigned long long new, unsigned long long length) except? 0xDEADBEEFDEADBEEF
    cpdef bint has_deposit(self, unsigned long long entry) except -1
    cpdef bint moves_pmd(self, unsigned long long entry) except -1
    cpdef void move_pmd(self, unsigned long long pmd, unsigned long long to, unsigned long long old, unsigned long long new) except *
    cpdef bint split_huge_pmd(self, unsigned long long vma, unsigned long long pmd, unsigned long long address) except -1
    cpdef void move_ptes(self, unsigned long long pte, unsigned long long to, unsigned long long count) except *
    cpdef void change_protection(self, unsigned long long vma, unsigned long long start, unsigned long long end, unsigned long long old) except *
    cpdef unsigned long long change_huge_pmd(self, unsigned long long vma, unsigned long long pmd, unsigned long long start, unsigned long long end) except? 0xDEADBEEFDEADBEEF
    cpdef void change_pte_range(self, unsigned long long vma, unsigned long long pte, unsigned long long count) except *
    cpdef bint can_change_pte_writable(self, unsigned long long vm_flags, unsigned long long entry) except -1
