from mmtwin.pages cimport load, store
from mmtwin.space cimport load32, store32
from mmtwin.space.fields cimport VmaFields

cdef class Files(VmaFields):
    cpdef void evict_inode(self, unsigned long long inode) except *
    cdef readonly unsigned long long inode_hash
    cdef readonly unsigned long long generic_file_vm_ops, shmem_vm_ops, special_mapping_vmops
    cdef readonly unsigned long long shm_vm_ops, device_vm_ops
    cdef readonly object file_ops
    cdef unsigned long long at_f_mode, at_f_op, at_f_inode, at_f_mapping, at_f_flags, at_f_count
    cdef unsigned long long at_f_path, file_size, at_i_hash, inode_size
    cdef unsigned long long iget(self, unsigned long long dev, unsigned long long ino) except? 0xDEADBEEFDEADBEEF
    cdef void iput(self, unsigned long long inode) except *
    cdef unsigned long long alloc_file(self, unsigned long long inode, unsigned long long path, unsigned long long operations, unsigned long long f_flags) except? 0xDEADBEEFDEADBEEF
    cpdef unsigned long long shmem_file_setup(self, str name, unsigned long long size, unsigned long long charged) except? 0xDEADBEEFDEADBEEF
    cpdef void set_last_ino(self, unsigned long long ino) except *
    cpdef void get_file(self, unsigned long long file) except *
    cpdef void fput(self, unsigned long long file) except *
    cdef unsigned long long file_kind(self, unsigned long long file) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long file_area(self, unsigned long long file) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long file_mode(self, unsigned long long file) except? 0xDEADBEEFDEADBEEF
    cdef unsigned long long file_inode(self, unsigned long long file) except? 0xDEADBEEFDEADBEEF
    cdef bint has_close(self, unsigned long long vma) except -1
    cdef bint has_may_split(self, unsigned long long vma) except -1
    cdef unsigned long long vm_op(self, unsigned long long vma, unsigned long long hook) except? 0xDEADBEEFDEADBEEF
    cdef bint vma_is_shared_maywrite(self, unsigned long long vma) except -1
    cdef void vma_interval_tree_insert(self, unsigned long long vma) except *
    cdef void vma_interval_tree_remove(self, unsigned long long vma) except *
    cdef void vma_link_file(self, unsigned long long vma) except *
    cdef void unlink_file_vma(self, unsigned long long vma) except *
