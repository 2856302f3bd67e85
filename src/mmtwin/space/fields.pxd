from mmtwin.machine.context cimport Context
from mmtwin.memory.allocator cimport Allocator
from mmtwin.memory.memory cimport Memory
from mmtwin.pages cimport load, store
from mmtwin.pages.pages cimport Pages
from mmtwin.space cimport load32, store32

cdef class VmaFields:
    cdef readonly Memory memory
    cdef readonly object profile, layouts
    cdef public Pages pages
    cdef readonly Context context
    cdef readonly unsigned long long sysctl
    cdef readonly Allocator vma_cache, mm_cache, anon_vma_cache, anon_vma_chain_cache, file_cache
    cdef readonly Allocator inode_cache, task_cache, signal_cache, cred_cache
    cdef unsigned long long vma_size, mm_size
    cdef readonly unsigned long long page_size, page_mask, pmd_size
    cdef readonly int page_shift
    cdef unsigned long long pte_none, pte_read, pte_write, pte_nx
    cdef unsigned long long at_vm_start, at_vm_end, at_vm_mm, at_vm_flags
    cdef unsigned long long at_vm_pgoff, at_vm_file, at_vm_ops, at_anon_vma
    cdef unsigned long long at_vm_policy, at_vm_private_data, at_vm_userfaultfd_ctx, at_vm_page_prot
    cdef unsigned long long at_anon_name, at_chain, at_shared, at_mm_mt
    cdef unsigned long long at_total_vm, at_locked_vm, at_data_vm, at_exec_vm
    cdef unsigned long long at_stack_vm, at_hiwater_vm, at_def_flags, at_mmap_base
    cdef unsigned long long at_mmap_legacy_base, at_task_size, at_start_code, at_end_code
    cdef unsigned long long at_start_data, at_end_data, at_start_brk, at_brk
    cdef unsigned long long at_start_stack, at_owner, at_mm_flags, at_map_count
    cdef unsigned long long at_mm_users
    cdef unsigned long long vm_start(self, unsigned long long vma) except? 0xDEADBEEFDEADBEEF
    cdef void set_vm_start(self, unsigned long long vma, unsigned long long value) except *
    cdef unsigned long long vm_end(self, unsigned long long vma) except? 0xDEADBEEFDEADBEEF
    cdef void set_vm_end(self, unsigned long long vma, unsigned long long value) except *
    cdef unsigned long long vm_mm(self, unsigned long long vma) except? 0xDEADBEEFDEADBEEF
    cdef void set_vm_mm(self, unsigned long long vma, unsigned long long value) except *
    cdef unsigned long long vm_flags(self, unsigned long long vma) except? 0xDEADBEEFDEADBEEF
    cdef void set_vm_flags(self, unsigned long long vma, unsigned long long value) except *
    cdef unsigned long long vm_pgoff(self, unsigned long long vma) except? 0xDEADBEEFDEADBEEF
    cdef void set_vm_pgoff(self, unsigned long long vma, unsigned long long value) except *
    cdef unsigned long long vm_file(self, unsigned long long vma) except? 0xDEADBEEFDEADBEEF
    cdef void set_vm_file(self, unsigned long long vma, unsigned long long value) except *
    cdef unsigned long long vm_ops(self, unsigned long long vma) except? 0xDEADBEEFDEADBEEF
    cdef void set_vm_ops(self, unsigned long long vma, unsigned long long value) except *
    cdef unsigned long long anon_vma(self, unsigned long long vma) except? 0xDEADBEEFDEADBEEF
    cdef void set_anon_vma(self, unsigned long long vma, unsigned long long value) except *
    cdef unsigned long long vm_policy(self, unsigned long long vma) except? 0xDEADBEEFDEADBEEF
    cdef void set_vm_policy(self, unsigned long long vma, unsigned long long value) except *
    cdef unsigned long long vm_private_data(self, unsigned long long vma) except? 0xDEADBEEFDEADBEEF
    cdef void set_vm_private_data(self, unsigned long long vma, unsigned long long value) except *
    cdef unsigned long long vm_userfaultfd_ctx(self, unsigned long long vma) except? 0xDEADBEEFDEADBEEF
    cdef void set_vm_userfaultfd_ctx(self, unsigned long long vma, unsigned long long value) except *
    cdef unsigned long long vm_page_prot(self, unsigned long long vma) except? 0xDEADBEEFDEADBEEF
    cdef void set_vm_page_prot(self, unsigned long long vma, unsigned long long value) except *
    cdef unsigned long long anon_vma_name(self, unsigned long long vma) except? 0xDEADBEEFDEADBEEF
    cdef void set_anon_vma_name(self, unsigned long long vma, unsigned long long value) except *
    cdef unsigned long long vma_pages(self, unsigned long long vma) except? 0xDEADBEEFDEADBEEF
    cdef void vma_set_page_prot(self, unsigned long long vma) except *
    cdef unsigned long long vm_get_page_prot(self, unsigned long long vm_flags) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long mm_mt(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long total_vm(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef void set_total_vm(self, unsigned long long mm, unsigned long long value) except *
    cdef unsigned long long locked_vm(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef void set_locked_vm(self, unsigned long long mm, unsigned long long value) except *
    cdef unsigned long long data_vm(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef void set_data_vm(self, unsigned long long mm, unsigned long long value) except *
    cdef unsigned long long exec_vm(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef void set_exec_vm(self, unsigned long long mm, unsigned long long value) except *
    cdef unsigned long long stack_vm(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef void set_stack_vm(self, unsigned long long mm, unsigned long long value) except *
    cdef unsigned long long hiwater_vm(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef void set_hiwater_vm(self, unsigned long long mm, unsigned long long value) except *
    cdef unsigned long long def_flags(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef void set_def_flags(self, unsigned long long mm, unsigned long long value) except *
    cdef unsigned long long mmap_base(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef void set_mmap_base(self, unsigned long long mm, unsigned long long value) except *
    cdef unsigned long long mmap_legacy_base(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef void set_mmap_legacy_base(self, unsigned long long mm, unsigned long long value) except *
    cdef unsigned long long task_size(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef void set_task_size(self, unsigned long long mm, unsigned long long value) except *
    cdef unsigned long long start_code(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef void set_start_code(self, unsigned long long mm, unsigned long long value) except *
    cdef unsigned long long end_code(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef void set_end_code(self, unsigned long long mm, unsigned long long value) except *
    cdef unsigned long long start_data(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef void set_start_data(self, unsigned long long mm, unsigned long long value) except *
    cdef unsigned long long end_data(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef void set_end_data(self, unsigned long long mm, unsigned long long value) except *
    cdef unsigned long long start_brk(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef void set_start_brk(self, unsigned long long mm, unsigned long long value) except *
    cdef unsigned long long brk(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef void set_brk(self, unsigned long long mm, unsigned long long value) except *
    cdef unsigned long long start_stack(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef void set_start_stack(self, unsigned long long mm, unsigned long long value) except *
    cdef unsigned long long owner(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef void set_owner(self, unsigned long long mm, unsigned long long value) except *
    cdef unsigned long long mm_flags(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef void set_mm_flags(self, unsigned long long mm, unsigned long long value) except *
    cdef unsigned long long map_count(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef void set_map_count(self, unsigned long long mm, unsigned long long value) except *
    cdef unsigned long long mm_users(self, unsigned long long mm) except? 0xDEADBEEFDEADBEEF
    cdef void set_mm_users(self, unsigned long long mm, unsigned long long value) except *
