from mmtwin.pages cimport load, store
from mmtwin.space.hugetlb cimport Hugetlb

cdef class Counters(Hugetlb):
    cdef unsigned long long at_rlim_cur, at_rlim_max
    cdef unsigned long long sysctl_max_map_count(self) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long sysctl_mmap_min_addr(self) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long dac_mmap_min_addr(self) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long stack_guard_gap(self) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long task_alloc(self, unsigned long long parent) except? 0xDEADBEEFDEADBEEF
    cpdef void put_task(self, unsigned long long task) except *
    cpdef unsigned long long rlimit(self, unsigned long long mm, unsigned long long which) except? 0xDEADBEEFDEADBEEF
    cpdef void set_rlimit(self, unsigned long long mm, unsigned long long which, unsigned long long soft, unsigned long long hard) except *
    cpdef bint capable(self, unsigned long long mm, unsigned long long capability) except -1
    cpdef unsigned long long personality(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef bint is_data_mapping(self, unsigned long long vm_flags) except -1
    cdef bint is_exec_mapping(self, unsigned long long vm_flags) except -1
    cdef bint is_stack_mapping(self, unsigned long long vm_flags) except -1
    cpdef bint may_expand_vm(self, unsigned long long mm, unsigned long long vm_flags, unsigned long long npages) except -1
    cpdef void vm_stat_account(self, unsigned long long mm, unsigned long long vm_flags, long long npages) except *
    cdef void update_hiwater_vm(self, unsigned long long mm) except *
    cpdef bint mlock_future_ok(self, unsigned long long mm, unsigned long long vm_flags, unsigned long long length) except -1
    cpdef bint can_do_mlock(self, unsigned long long mm) except -1
    cpdef long long vm_enough_memory(self, unsigned long long mm, unsigned long long pages) except? -1000000
    cdef unsigned long long vm_commit_limit(self) except? 0xDEADBEEFDEADBEEF
    cdef void vm_acct_memory(self, unsigned long long pages) except *
    cdef void hold_charge(self, unsigned long long more, unsigned long long less) except *
    cpdef unsigned long long committed_as_read(self) except? 0xDEADBEEFDEADBEEF
    cpdef void vm_unacct_memory(self, unsigned long long pages) except *
