"""``mmap_region`` as Linux 6.1 does it: limits, the old mapping, merging, the new VMA."""

from __future__ import annotations

import errno

import cython
from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple.state import MaState
from mmtwin.space import files
from mmtwin.space import flags as c
from mmtwin.space.touch import Touch
from mmtwin.space.words import err_ptr

if not cython.compiled:
    from mmtwin.space.parts import load32

TOP = declare(u64, c.MAX)
ERR_MIN = declare(u64, 0xFFFFFFFFFFFFF001)
VM_READ = declare(u64, c.VM_READ)
VM_WRITE = declare(u64, c.VM_WRITE)
VM_EXEC = declare(u64, c.VM_EXEC)
VM_SHARED = declare(u64, c.VM_SHARED)
VM_MAYWRITE = declare(u64, c.VM_MAYWRITE)
VM_MAYEXEC = declare(u64, c.VM_MAYEXEC)
VM_MAYSHARE = declare(u64, c.VM_MAYSHARE)
VM_MAY_ALL = declare(u64, c.VM_MAY_ALL)
VM_ACCESS_FLAGS = declare(u64, c.VM_ACCESS_FLAGS)
VM_GROWSDOWN = declare(u64, c.VM_GROWSDOWN)
VM_LOCKED = declare(u64, c.VM_LOCKED)
VM_LOCKED_MASK = declare(u64, c.VM_LOCKED_MASK)
VM_SYNC = declare(u64, c.VM_SYNC)
VM_NORESERVE = declare(u64, c.VM_NORESERVE)
VM_ACCOUNT = declare(u64, c.VM_ACCOUNT)
VM_SPECIAL = declare(u64, c.VM_SPECIAL)
NEVER_LOCKED = declare(u64, c.VM_SPECIAL | c.VM_HUGETLB | c.VM_DROPPABLE_6_18)
VM_SOFTDIRTY = declare(u64, c.VM_SOFTDIRTY)
VM_DEVICE = declare(u64, c.VM_IO | c.VM_PFNMAP | c.VM_DONTEXPAND | c.VM_DONTDUMP)
PROT_READ = declare(u64, c.PROT_READ)
PROT_WRITE = declare(u64, c.PROT_WRITE)
PROT_EXEC = declare(u64, c.PROT_EXEC)
MAP_SHARED = declare(u64, c.MAP_SHARED)
MAP_PRIVATE = declare(u64, c.MAP_PRIVATE)
MAP_SHARED_VALIDATE = declare(u64, c.MAP_SHARED_VALIDATE)
MAP_TYPE = declare(u64, c.MAP_TYPE)
MAP_FIXED = declare(u64, c.MAP_FIXED)
MAP_FIXED_NOREPLACE = declare(u64, c.MAP_FIXED_NOREPLACE)
MAP_ANONYMOUS = declare(u64, c.MAP_ANONYMOUS)
MAP_GROWSDOWN = declare(u64, c.MAP_GROWSDOWN)
MAP_LOCKED = declare(u64, c.MAP_LOCKED)
MAP_SYNC = declare(u64, c.MAP_SYNC)
MAP_NORESERVE = declare(u64, c.MAP_NORESERVE)
MAP_POPULATE = declare(u64, c.MAP_POPULATE)
MAP_NONBLOCK = declare(u64, c.MAP_NONBLOCK)
MAP_HUGETLB = declare(u64, c.MAP_HUGETLB)
LEGACY_MAP_MASK = declare(u64, c.LEGACY_MAP_MASK)
FMODE_READ = declare(u64, c.FMODE_READ)
FMODE_WRITE = declare(u64, c.FMODE_WRITE)
READ_IMPLIES_EXEC = declare(u64, c.READ_IMPLIES_EXEC)
FILE_NO_MMAP = declare(u64, files.FILE_NO_MMAP)
FILE_SHMEM = declare(u64, files.FILE_SHMEM)
FILE_ZERO = declare(u64, files.FILE_ZERO)
FILE_DEVICE = declare(u64, files.FILE_DEVICE)
FILE_HUGETLB = declare(u64, files.FILE_HUGETLB)
AREA_THP = declare(u64, files.AREA_THP)
I_SEALS = declare(u64, 608)
"""The twin's own bit: the file lies on a noexec mount."""
F_SEAL_WRITE = declare(u64, 0x8)
F_SEAL_FUTURE_WRITE = declare(u64, 0x10)
OVERCOMMIT_NEVER = declare(u64, c.OVERCOMMIT_NEVER)


class MmapRegion(Touch):
    """``mmap_region``: limits, the old mapping out of the way, merge or a new VMA."""

    def mmap_region(
        self, mm: u64, file: u64, addr: u64, length: u64, vm_flags: u64, pgoff: u64
    ) -> i64:
        """Map [addr, addr + length): limits, unmap what is there, charge, merge or make a VMA.

        The address or a negative errno; once the old areas are unmapped a failure does not bring
        them back.
        """
        if file != 0 and vm_flags & (VM_SHARED | VM_MAYWRITE) == VM_SHARED | VM_MAYWRITE:
            seals: u64 = load32(self.memory, self.file_inode(file) + I_SEALS)
            if seals & F_SEAL_WRITE != 0:
                return -errno.EPERM
        if not self.mmap_may_expand(mm, addr, length, vm_flags):
            return -errno.ENOMEM
        end: u64 = addr + length
        mas: MaState = self.vma_iterator(mm, addr)
        if self.do_mas_munmap(mas, mm, addr, length) != 0:
            return -errno.ENOMEM
        charged: u64 = 0
        if self.accountable_mapping(file, vm_flags):
            charged = length >> self.page_shift
            if self.vm_enough_memory(mm, charged) != 0:
                return -errno.ENOMEM
            vm_flags |= VM_ACCOUNT
        mas.set_range(addr, end - 1)
        above: u64 = self.maple.mas_next(mas, TOP)
        mas.set_range(addr, end - 1)
        below: u64 = self.maple.mas_prev(mas, 0)
        vma: u64 = 0
        if vm_flags & VM_SPECIAL == 0:
            vma = self.mmap_merge(mas, below, above, file, addr, end, vm_flags, pgoff)
        if vma == 0:
            mas.set_range(addr, end - 1)
            vma = self.mmap_new_vma(mas, mm, below, file, addr, end, vm_flags, pgoff)
            if vma >= ERR_MIN:
                if charged != 0:
                    self.vm_unacct_memory(charged)
                error: i64 = vma - TOP - 1
                return error
            vm_flags = self.vm_flags(vma)
        self.mmap_complete(mm, vma, vm_flags, length)
        return addr

    def mmap_may_expand(self, mm: u64, addr: u64, length: u64, vm_flags: u64) -> bint:
        """The limits, with the pages that a fixed mapping replaces counted as free."""
        pages: u64 = length >> self.page_shift
        if self.may_expand_vm(mm, vm_flags, pages):
            return True
        replaced: u64 = self.count_vma_pages_range(mm, addr, addr + length)
        return self.may_expand_vm(mm, vm_flags, pages - replaced)

    def accountable_mapping(self, file: u64, vm_flags: u64) -> bint:
        """Private and writable, not exempted by MAP_NORESERVE; huge pages are reserved instead."""
        if self.huge_page_shift(file) != 0:
            return False
        return vm_flags & (VM_NORESERVE | VM_SHARED | VM_WRITE) == VM_WRITE

    def mmap_merge(
        self,
        mas: MaState,
        prev: u64,
        next: u64,
        file: u64,
        addr: u64,
        end: u64,
        vm_flags: u64,
        pgoff: u64,
    ) -> u64:
        """Let new memory join its neighbours, the next one first: the VMA, 0 if none takes it."""
        vma: u64 = 0
        start: u64 = addr
        past: u64 = end
        lower: u64 = pgoff
        pages: u64 = (end - addr) >> self.page_shift
        anon_vma: u64 = 0
        uffd_ctx: u64 = 0
        if (
            next != 0
            and self.vm_start(next) == end
            and self.vm_policy(next) == 0
            and self.can_vma_merge_before(next, vm_flags, 0, file, pgoff + pages, 0, 0)
        ):
            vma = next
            past = self.vm_end(next)
            lower = self.vm_pgoff(next) - pages
            anon_vma = self.anon_vma(next)
            uffd_ctx = self.vm_userfaultfd_ctx(next)
        if (
            prev != 0
            and self.vm_end(prev) == addr
            and self.vm_policy(prev) == 0
            and self.can_vma_merge_after(prev, vm_flags, anon_vma, file, pgoff, uffd_ctx, 0)
        ):
            vma = prev
            start = self.vm_start(prev)
            lower = self.vm_pgoff(prev)
        if vma != 0 and self.vma_expand(mas, vma, start, past, lower, next) != 0:
            return 0
        return vma

    def mmap_new_vma(
        self,
        mas: MaState,
        mm: u64,
        prev: u64,
        file: u64,
        addr: u64,
        end: u64,
        vm_flags: u64,
        pgoff: u64,
    ) -> u64:
        """A VMA of its own over the free range, or a negative errno as an address."""
        vma: u64 = self.vm_area_alloc(mm)
        if vma == 0:
            return err_ptr(-errno.ENOMEM)
        self.vma_set_range(vma, addr, end, pgoff)
        self.set_vm_flags(vma, vm_flags)
        if self.maple.mas_preallocate(mas, vma, GFP_KERNEL) != 0:
            self.vm_area_free(vma)
            return err_ptr(-errno.ENOMEM)
        error: i64 = 0
        if file != 0:
            self.get_file(file)
            self.set_vm_file(vma, file)
            error = self.mmap_file(file, vma)
            if error != 0:
                self.fput(file)
        elif vm_flags & VM_SHARED != 0:
            error = self.shmem_zero_setup(vma)
        if error != 0:
            self.maple.mas_destroy(mas)
            self.vm_area_free(vma)
            return err_ptr(error)
        changed: u64 = self.vm_flags(vma)
        if changed != vm_flags and prev != 0:
            # The driver changed the flags: what did not fit before may fit now.
            mapped: u64 = self.vm_file(vma)
            merged: u64 = self.vma_merge(
                mm, prev, addr, end, changed, 0, mapped, self.vm_pgoff(vma), 0, 0, 0
            )
            if merged != 0:
                self.fput(mapped)
                self.vm_area_free(vma)
                self.maple.mas_destroy(mas)
                return merged
        self.vma_mas_store(vma, mas)
        self.set_map_count(mm, self.map_count(mm) + 1)
        self.vma_link_file(vma)
        return vma

    def mmap_file(self, file: u64, vma: u64) -> i64:
        """The file's mmap method: it gives the VMA its operations, and may change its flags."""
        kind: u64 = self.file_kind(file)
        vm_flags: u64 = self.vm_flags(vma)
        if kind == FILE_ZERO:
            if vm_flags & VM_SHARED == 0:
                self.set_vm_ops(vma, 0)
                return 0
            error: i64 = self.shmem_zero_setup(vma)
            if error == 0:
                self.fput(file)
            return error
        if kind == FILE_SHMEM:
            seals: u64 = load32(self.memory, self.file_inode(file) + I_SEALS)
            if (
                seals & F_SEAL_FUTURE_WRITE != 0
                and vm_flags & (VM_SHARED | VM_WRITE) == VM_SHARED | VM_WRITE
            ):
                return -errno.EPERM
            self.set_vm_ops(vma, self.shmem_vm_ops)
        elif kind == FILE_HUGETLB:
            return self.hugetlbfs_file_mmap(file, vma)
        elif kind == FILE_DEVICE:
            self.set_vm_ops(vma, self.device_vm_ops)
            self.set_vm_flags(vma, vm_flags | VM_DEVICE)
        else:
            if vm_flags & VM_SYNC != 0 and self.file_area(file) == AREA_THP:
                return -errno.EOPNOTSUPP  # not on persistent memory
            self.set_vm_ops(vma, self.generic_file_vm_ops)
        return 0

    def shmem_zero_setup(self, vma: u64) -> i64:
        """Put a shmem object of its own behind a shared VMA: 0 or ``-ENOMEM``.

        The object is charged as a whole, unless the VMA is VM_NORESERVE.
        """
        pages: u64 = self.vma_pages(vma)
        if self.vm_flags(vma) & VM_NORESERVE != 0:
            pages = 0
        elif self.vm_enough_memory(self.vm_mm(vma), pages) != 0:
            return -errno.ENOMEM
        size: u64 = self.vm_end(vma) - self.vm_start(vma)
        file: u64 = self.shmem_file_setup("/dev/zero (deleted)", size, pages)
        if file == 0:
            self.vm_unacct_memory(pages)
            return -errno.ENOMEM
        self.set_vm_file(vma, file)
        self.set_vm_ops(vma, self.shmem_vm_ops)
        return 0

    def mmap_complete(self, mm: u64, vma: u64, vm_flags: u64, length: u64) -> None:
        """Count the new memory; lock and soft-dirty bits of the result."""
        pages: u64 = length >> self.page_shift
        self.vm_stat_account(mm, vm_flags, pages)
        kept: u64 = self.vm_flags(vma)
        if vm_flags & VM_LOCKED != 0:
            if vm_flags & NEVER_LOCKED != 0:
                kept &= ~VM_LOCKED_MASK
            else:
                self.set_locked_vm(mm, self.locked_vm(mm) + pages)
        self.set_vm_flags(vma, kept | VM_SOFTDIRTY)
        self.vma_set_page_prot(vma)
