from mmtwin.pages cimport load, store
from mmtwin.space cimport load32, store32
from mmtwin.space.files cimport Files

cdef class Hugetlb(Files):
    cdef readonly unsigned long long hugetlb_vm_ops
    cdef unsigned long long nr_huge_pages_at
    cdef bint has_huge_pages(self) except -1
    cdef int hstate_sizelog(self, unsigned long long log) except -1
    cdef int huge_page_shift(self, unsigned long long file) except -1
    cdef bint is_vm_hugetlb_page(self, unsigned long long vma) except -1
    cpdef unsigned long long vma_kernel_pagesize(self, unsigned long long vma) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long hugetlb_file_setup(self, str name, unsigned long long size, int shift) except? 0xDEADBEEFDEADBEEF
    cdef public object huge
    cpdef bint hugetlb_reserve_pages(self, unsigned long long inode, unsigned long long pages, int shift, unsigned long long vm_flags) except -1
    cpdef bint hugetlb_vm_reserve(self, unsigned long long vma, unsigned long long inode, int shift) except -1
    cdef long long hugetlbfs_file_mmap(self, unsigned long long file, unsigned long long vma) except? -1000000
    cdef long long hugetlb_vm_op_split(self, unsigned long long vma, unsigned long long addr) except? -1000000
