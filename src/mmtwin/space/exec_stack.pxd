from mmtwin.space.exec cimport Exec

cdef class ExecStack(Exec):
    cpdef unsigned long long bprm_mm_init(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cpdef long long copy_strings(self, unsigned long long vma, unsigned long long size) except? -1000000
    cpdef long long setup_arg_pages(self, unsigned long long vma, unsigned long long stack_top, bint executable) except? -1000000
    cpdef long long shift_arg_pages(self, unsigned long long vma, unsigned long long shift) except? -1000000
    cpdef bint shift_page_tables(self, unsigned long long vma, unsigned long long start, unsigned long long end, unsigned long long shift) except -1
    cpdef long long install_special_mapping(self, unsigned long long mm, unsigned long long addr, unsigned long long length, unsigned long long vm_flags, unsigned long long special) except? -1000000
