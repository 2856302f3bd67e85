"""System V shared memory, as far as address spaces see it: segments, shmat, shmdt."""

from __future__ import annotations

import errno

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.memory.allocator import Arena
from mmtwin.memory.memory import Memory
from mmtwin.space import files
from mmtwin.space import flags as c
from mmtwin.space.fields import Caches
from mmtwin.space.msync import Msync

if not cython.compiled:
    from mmtwin.pages.words import load, store

TOP = declare(u64, c.MAX)
INT = declare(u64, 0xFFFFFFFF)
PROT_READ = declare(u64, c.PROT_READ)
PROT_WRITE = declare(u64, c.PROT_WRITE)
PROT_EXEC = declare(u64, c.PROT_EXEC)
MAP_SHARED = declare(u64, c.MAP_SHARED)
MAP_FIXED = declare(u64, c.MAP_FIXED)
O_RDONLY = declare(u64, c.O_RDONLY)
O_RDWR = declare(u64, c.O_RDWR)
FILE_SYSV = declare(u64, files.FILE_SYSV)
I_SB = declare(u64, 40)
I_INO = declare(u64, 64)
I_SIZE = declare(u64, 80)

SHM_RDONLY = declare(u64, c.SHM_RDONLY)
SHM_RND = declare(u64, c.SHM_RND)
SHM_REMAP = declare(u64, c.SHM_REMAP)
SHM_EXEC = declare(u64, c.SHM_EXEC)
SHM_HUGETLB = declare(u64, c.SHM_HUGETLB)
SHM_NORESERVE = declare(u64, c.SHM_NORESERVE)
VM_NORESERVE = declare(u64, c.VM_NORESERVE)
CAP_IPC_LOCK = declare(u64, c.CAP_IPC_LOCK)
HUGE_SHIFT = declare(i32, c.MAP_HUGE_SHIFT)
HUGE_MASK = declare(u64, c.MAP_HUGE_MASK)

# struct shmid_kernel, the twin's selection.
SHM_ID = declare(u64, 0)
SHM_FILE = declare(u64, 8)
SHM_NATTCH = declare(u64, 16)
SHM_DEST = declare(u64, 24)
SHM_NEXT = declare(u64, 32)
SHMID_KERNEL_SIZE = 40


class SysvShm(Msync):
    """Segments and their attachments; ``shmids`` is the address of the list's head."""

    def __init__(self, memory: Memory, maple: Maple, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, maple, caches, profile)
        self.shmids = memory.boot_alloc(8, 8)
        self.shmid_cache = Arena(memory, SHMID_KERNEL_SIZE, 8, "shmid_kernel")

    # Segments.

    def shm_create(self, mm: u64, shmid: u64, key: u64, size: u64, shmflg: u64 = 0) -> i64:
        """A new segment of ``size`` bytes, known as ``shmid``: 0 or a negative errno.

        shmget(2) chooses the number itself; here it is given, so that a record can be followed.
        The whole segment is charged at once, or with SHM_HUGETLB promised from the pool.
        """
        if size == 0:
            return -errno.EINVAL
        if self.shm_obtain_object(shmid) != 0:
            return -errno.EEXIST
        pages: u64 = ((size + self.page_size - 1) & self.page_mask) >> self.page_shift
        name: str = f"/SYSV{key & INT:08x} (deleted)"
        if shmflg & SHM_HUGETLB != 0:
            return self.shm_create_huge(mm, shmid, name, size, shmflg)
        if self.vm_enough_memory(mm, pages) != 0:
            return -errno.ENOMEM
        segment: u64 = self.shmid_cache.alloc(GFP_KERNEL)
        file: u64 = 0
        if segment != 0:
            # The object's inode number is the segment's identifier, as ipcs and maps show.
            self.set_last_ino(shmid - 1 if shmid != 0 else TOP)
            file = self.shmem_file_setup(name, size, pages)
            if file == 0:
                self.shmid_cache.free(segment)
        if file == 0:
            self.vm_unacct_memory(pages)
            return -errno.ENOMEM
        self.shm_add(segment, shmid, file)
        return 0

    def shm_create_huge(self, mm: u64, shmid: u64, name: str, size: u64, shmflg: u64) -> i64:
        """A segment of huge pages, for which the right to lock memory is needed."""
        shift: i32 = self.hstate_sizelog((shmflg >> HUGE_SHIFT) & HUGE_MASK)
        if shift == 0:
            return -errno.EINVAL
        if not self.capable(mm, CAP_IPC_LOCK):
            return -errno.EPERM
        one: u64 = 1
        pages: u64 = (size + (one << shift) - 1) >> shift
        segment: u64 = self.shmid_cache.alloc(GFP_KERNEL)
        file: u64 = 0
        if segment != 0:
            self.set_last_ino(shmid - 1 if shmid != 0 else TOP)
            file = self.hugetlb_file_setup(name, pages << shift, shift)
            vm_flags: u64 = VM_NORESERVE if shmflg & SHM_NORESERVE != 0 else 0
            if file != 0 and not self.hugetlb_reserve_pages(
                self.file_inode(file), pages, shift, vm_flags
            ):
                self.fput(file)
                file = 0
            if file == 0:
                self.shmid_cache.free(segment)
        if file == 0:
            return -errno.ENOMEM
        self.shm_add(segment, shmid, file)
        return 0

    def shm_add(self, segment: u64, shmid: u64, file: u64) -> None:
        """Put a new segment, to which nobody is attached, into the list."""
        store(self.memory, segment + SHM_ID, shmid)
        store(self.memory, segment + SHM_FILE, file)
        store(self.memory, segment + SHM_NATTCH, 0)
        store(self.memory, segment + SHM_DEST, 0)
        store(self.memory, segment + SHM_NEXT, load(self.memory, self.shmids))
        store(self.memory, self.shmids, segment)

    def shm_obtain_object(self, shmid: u64) -> u64:
        """The segment ``shmid``; 0 for none."""
        segment: u64 = load(self.memory, self.shmids)
        while segment != 0 and load(self.memory, segment + SHM_ID) != shmid:
            segment = load(self.memory, segment + SHM_NEXT)
        return segment

    def shm_of_file(self, file: u64) -> u64:
        """The segment that an attachment's open file belongs to; 0 if it is destroyed."""
        inode: u64 = self.file_inode(file)
        segment: u64 = load(self.memory, self.shmids)
        while segment != 0 and self.file_inode(load(self.memory, segment + SHM_FILE)) != inode:
            segment = load(self.memory, segment + SHM_NEXT)
        return segment

    def shm_remove(self, shmid: u64) -> i64:
        """shmctl(IPC_RMID): the segment goes when nobody is attached. 0 or ``-EINVAL``."""
        segment: u64 = self.shm_obtain_object(shmid)
        if segment == 0:
            return -errno.EINVAL
        store(self.memory, segment + SHM_DEST, 1)
        if load(self.memory, segment + SHM_NATTCH) == 0:
            self.shm_destroy(segment)
        return 0

    def shm_destroy(self, segment: u64) -> None:
        """Take a segment out of the list and free it and its memory."""
        memory: Memory = self.memory
        link: u64 = self.shmids
        while load(memory, link) != segment:
            link = load(memory, link) + SHM_NEXT
        store(memory, link, load(memory, segment + SHM_NEXT))
        self.fput(load(memory, segment + SHM_FILE))
        self.shmid_cache.free(segment)

    def shm_nattch(self, shmid: u64) -> i64:
        """How many areas are attached to ``shmid``; ``-EINVAL`` if there is no such segment."""
        segment: u64 = self.shm_obtain_object(shmid)
        if segment == 0:
            return -errno.EINVAL
        return load(self.memory, segment + SHM_NATTCH)

    # What areas tell a segment.

    def shm_open(self, file: u64) -> None:
        """One more area is attached."""
        segment: u64 = self.shm_of_file(file)
        at: u64 = segment + SHM_NATTCH
        store(self.memory, at, load(self.memory, at) + 1)

    def shm_close(self, file: u64) -> None:
        """One area less; the last one frees a segment that was marked for removal."""
        segment: u64 = self.shm_of_file(file)
        left: u64 = load(self.memory, segment + SHM_NATTCH) - 1
        store(self.memory, segment + SHM_NATTCH, left)
        if left == 0 and load(self.memory, segment + SHM_DEST) != 0:
            self.shm_destroy(segment)

    def is_shm(self, vma: u64) -> bint:
        """Whether the area is an attachment."""
        return self.vm_ops(vma) == self.shm_vm_ops

    def vma_open(self, vma: u64) -> None:
        """A copy of an area appeared: an attachment counts."""
        if self.is_shm(vma):
            self.shm_open(self.vm_file(vma))
        elif self.is_vm_hugetlb_page(vma):
            self.huge.vma_open(vma)

    def vma_close(self, vma: u64) -> None:
        """An area goes: an attachment no longer counts."""
        if self.is_shm(vma):
            self.shm_close(self.vm_file(vma))
        elif self.is_vm_hugetlb_page(vma):
            self.huge.vma_close(vma)

    def vma_may_split(self, vma: u64, addr: u64) -> i64:
        """Attachments of small pages may be split anywhere."""
        if self.is_shm(vma) and not self.is_vm_hugetlb_page(vma):
            return 0
        return Msync.vma_may_split(self, vma, addr)

    def mmap_file(self, file: u64, vma: u64) -> i64:
        """Mapping an attachment's file attaches the area."""
        if self.file_kind(file) != FILE_SYSV:
            return Msync.mmap_file(self, file, vma)
        if self.huge_page_shift(file) != 0:
            error: i64 = self.hugetlbfs_file_mmap(file, vma)
            if error != 0:
                return error
        self.shm_open(file)
        self.set_vm_ops(vma, self.shm_vm_ops)
        return 0

    # The calls.

    def sys_shmat(self, mm: u64, shmid: u64, addr: u64, flags: u64) -> i64:
        """shmat(2): where the segment is now, or a negative errno. Who owns it is not asked."""
        map_flags: u64 = MAP_SHARED
        if addr != 0:
            if addr & ~self.page_mask != 0:
                if flags & SHM_RND == 0:
                    return -errno.EINVAL
                addr &= self.page_mask
                if addr == 0 and flags & SHM_REMAP != 0:
                    return -errno.EINVAL
            map_flags |= MAP_FIXED
        elif flags & SHM_REMAP != 0:
            return -errno.EINVAL
        prot: u64 = PROT_READ
        mode: u64 = O_RDONLY
        if flags & SHM_RDONLY == 0:
            prot |= PROT_WRITE
            mode = O_RDWR
        if flags & SHM_EXEC != 0:
            prot |= PROT_EXEC
        segment: u64 = self.shm_obtain_object(shmid & INT)
        if segment == 0:
            return -errno.EINVAL
        base: u64 = load(self.memory, segment + SHM_FILE)
        file: u64 = self.shm_clone_file(base, mode)
        if file == 0:
            return -errno.ENOMEM
        size: u64 = load(self.memory, self.file_inode(base) + I_SIZE)
        result: i64 = -errno.EINVAL
        free: bint = addr == 0 or flags & SHM_REMAP != 0
        if not free and size <= TOP - addr:
            free = self.find_vma_intersection(mm, addr, addr + size) == 0
        if free:
            result = self.vm_mmap_pgoff(mm, file, addr, size, prot, map_flags, 0)
        self.fput(file)
        return result

    def shm_clone_file(self, base: u64, mode: u64) -> u64:
        """An open file description of its own for one attachment; 0 without memory."""
        inode: u64 = self.file_inode(base)
        # The reference that the new description takes over.
        self.iget(load(self.memory, inode + I_SB), load(self.memory, inode + I_INO))
        path: u64 = load(self.memory, base + self.at_f_path)
        operations: u64 = self.file_ops[files.FILE_SYSV, self.file_area(base)]
        file: u64 = self.alloc_file(inode, path, operations, mode)
        if file == 0:
            self.iput(inode)
        return file

    def sys_shmdt(self, mm: u64, addr: u64) -> i64:
        """shmdt(2): unmap all that is left of the attachment made at ``addr``: 0 or ``-EINVAL``.

        Parts may have been unmapped or changed; what lies where the segment put it, belongs to it.
        """
        if addr & ~self.page_mask != 0:
            return -errno.EINVAL
        vma: u64 = self.find_vma(mm, addr)
        while vma != 0 and not self.shm_piece_of(vma, addr):
            vma = self.find_vma(mm, self.vm_end(vma))
        if vma == 0:
            return -errno.EINVAL
        file: u64 = self.vm_file(vma)
        size: u64 = (
            load(self.memory, self.file_inode(file) + I_SIZE) + self.page_size - 1
        ) & self.page_mask
        past: u64 = self.vm_end(vma)
        # Only compared below: the description may be gone with its last area.
        self.do_munmap(mm, self.vm_start(vma), past - self.vm_start(vma))
        vma = self.find_vma(mm, past)
        while vma != 0 and self.vm_end(vma) - addr <= size:
            past = self.vm_end(vma)
            if self.shm_piece_of(vma, addr) and self.vm_file(vma) == file:
                self.do_munmap(mm, self.vm_start(vma), past - self.vm_start(vma))
            vma = self.find_vma(mm, past)
        return 0

    def shm_piece_of(self, vma: u64, addr: u64) -> bint:
        """Whether ``vma`` could be a piece of an attachment that begins at ``addr``."""
        start: u64 = self.vm_start(vma)
        return (
            self.is_shm(vma)
            and start >= addr
            and (start - addr) >> self.page_shift == self.vm_pgoff(vma)
        )
