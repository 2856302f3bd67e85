from mmtwin.space.userfaultfd cimport Userfaultfd

cdef class ProcessCalls(Userfaultfd):
    cpdef long long sys_process_madvise(self, unsigned long long mm, unsigned long long start, unsigned long long length, unsigned long long advice, unsigned long long flags) except? -1000000
    cpdef bint process_madvise_valid(self, unsigned long long advice, unsigned long long length) except -1
    cpdef long long sys_process_vm(self, unsigned long long mm, unsigned long long addr, unsigned long long length, bint write) except? -1000000
    cpdef bint access_ok(self, unsigned long long mm, unsigned long long start, unsigned long long length) except -1
    cpdef long long pin_page(self, unsigned long long vma, unsigned long long page, bint write) except? -1000000
