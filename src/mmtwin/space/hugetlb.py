"""hugetlbfs as far as areas go: files of huge pages, their alignment, what they ask to be promised.

Pages and promises are kept by ``huge``, see ``hugetlb_pages``. The pool is empty until someone sets
vm.nr_hugepages; that of 1 GiB always: only MAP_NORESERVE makes a mapping then, and an access to it
finds no page (SIGBUS). mm/hugetlb.c, fs/hugetlbfs/inode.c.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.profile import Profile
from mmtwin.memory.memory import Memory
from mmtwin.space import files
from mmtwin.space import flags as c
from mmtwin.space.fields import Caches
from mmtwin.space.files import Files

if not cython.compiled:
    from mmtwin.pages.words import load, store
    from mmtwin.space.parts import load32, store32

if TYPE_CHECKING:
    from mmtwin.space.hugetlb_pages import HugePages

TOP = declare(u64, c.MAX)
VM_WRITE = declare(u64, c.VM_WRITE)
VM_SHARED = declare(u64, c.VM_SHARED)
VM_NORESERVE = declare(u64, c.VM_NORESERVE)
VM_HUGETLB = declare(u64, c.VM_HUGETLB)
VM_OF_HUGETLB = declare(u64, c.VM_HUGETLB | c.VM_DONTEXPAND)
AREA_HUGE_2M = declare(u64, files.AREA_HUGE_2M)
AREA_HUGE_1G = declare(u64, files.AREA_HUGE_1G)
I_FLAGS = declare(u64, 12)
S_PRIVATE = declare(u64, 0x200)
"""Of hugetlbfs: a System V segment's object, whose pages shmget has reserved."""
I_SIZE = declare(u64, 80)
I_SEALS = declare(u64, 608)
LAST_INO = declare(u64, 112)
F_SEAL_FUTURE_WRITE = declare(u64, 0x10)
PMD_SHIFT = declare(i32, 21)
PUD_SHIFT = declare(i32, 30)
HUGETLB_DEV = declare(u64, files.HUGETLB_DEV)
"""The kernel's own mount for 2 MiB; the next device is that for 1 GiB."""


class Hugetlb(Files):
    """Huge page sizes (``struct hstate``), files of huge pages and the areas that map them."""

    def __init__(self, memory: Memory, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, caches, profile)
        self.hugetlb_vm_ops = self._vm_ops("hugetlb_vm_op", ("open", "close", "may_split", "fault"))

    def take_huge_pages(self, huge: HugePages) -> None:
        """Let huge pages and promises of them be kept there."""
        self.huge = huge
        self.nr_huge_pages_at = huge.at_nr

    def has_huge_pages(self) -> bint:
        """Is there any page in the pool, free or in use?"""
        return load(self.memory, self.nr_huge_pages_at) != 0

    def hstate_sizelog(self, log: u64) -> i32:
        """log2 of the page size that MAP_HUGETLB's size field asks for; 0 if there is none such."""
        if log == 0 or log == PMD_SHIFT:
            return PMD_SHIFT
        return PUD_SHIFT if log == PUD_SHIFT else 0

    def huge_page_shift(self, file: u64) -> i32:
        """log2 of the size of a hugetlbfs file's pages; 0 for any other file, or none."""
        area: u64 = self.file_area(file) if file != 0 else 0
        if area == AREA_HUGE_2M:
            return PMD_SHIFT
        return PUD_SHIFT if area == AREA_HUGE_1G else 0

    def is_vm_hugetlb_page(self, vma: u64) -> bint:
        """Does the area map a file of huge pages?"""
        return self.vm_flags(vma) & VM_HUGETLB != 0

    def vma_kernel_pagesize(self, vma: u64) -> u64:
        """Bytes of the pages that the area consists of."""
        one: u64 = 1
        if not self.is_vm_hugetlb_page(vma):
            return one << self.page_shift
        return one << self.huge_page_shift(self.vm_file(vma))

    def hugetlb_file_setup(self, name: str, size: u64, shift: i32) -> u64:
        """A fresh unlinked file of pages of ``1 << shift`` bytes: its ``struct file``.

        ``name`` is what /proc prints. Nothing is reserved for it yet. 0 without memory.
        """
        memory: Memory = self.memory
        counter: u64 = self.sysctl + LAST_INO
        ino: u64 = (load(memory, counter) + 1) & TOP
        store(memory, counter, ino)
        inode: u64 = self.iget(HUGETLB_DEV + (1 if shift == PUD_SHIFT else 0), ino)
        if inode == 0:
            return 0
        store(memory, inode + I_SIZE, size)
        area = files.AREA_HUGE_1G if shift == PUD_SHIFT else files.AREA_HUGE_2M
        operations: u64 = self.file_ops[files.FILE_HUGETLB, area]
        file: u64 = self.alloc_file(inode, memory.strings.number(name), operations, c.O_RDWR)
        if file == 0:
            self.iput(inode)
        return file

    def hugetlb_reserve_pages(self, inode: u64, pages: u64, shift: i32, vm_flags: u64) -> bint:
        """Promise the first ``pages`` huge pages of a file that a segment is made of."""
        store32(self.memory, inode + I_FLAGS, load32(self.memory, inode + I_FLAGS) | S_PRIVATE)
        if shift != PMD_SHIFT:
            return vm_flags & VM_NORESERVE != 0
        return self.huge.reserve_pages(inode, 0, pages, 0, vm_flags)

    def hugetlb_vm_reserve(self, vma: u64, inode: u64, shift: i32) -> bint:
        """Promise the pages of a fresh area; those of a System V segment are promised already."""
        vm_flags: u64 = self.vm_flags(vma)
        if load32(self.memory, inode + I_FLAGS) & S_PRIVATE != 0:
            vm_flags |= VM_NORESERVE
        if vm_flags & VM_NORESERVE != 0 or shift != PMD_SHIFT:
            return vm_flags & VM_NORESERVE != 0
        start: u64 = self.vm_pgoff(vma) >> (PMD_SHIFT - 12)
        pages: u64 = (self.vm_end(vma) - self.vm_start(vma)) >> PMD_SHIFT
        return self.huge.reserve_pages(inode, start, start + pages, vma, vm_flags)

    def hugetlbfs_file_mmap(self, file: u64, vma: u64) -> i64:
        """The mmap method: flags, operations, seals, alignment in the file, reservation.

        0 or a negative errno.
        """
        vm_flags: u64 = self.vm_flags(vma) | VM_OF_HUGETLB
        self.set_vm_flags(vma, vm_flags)
        self.set_vm_ops(vma, self.hugetlb_vm_ops)
        inode: u64 = self.file_inode(file)
        writing: bint = vm_flags & (VM_SHARED | VM_WRITE) == VM_SHARED | VM_WRITE
        if writing and load32(self.memory, inode + I_SEALS) & F_SEAL_FUTURE_WRITE != 0:
            return -errno.EPERM
        shift: i32 = self.huge_page_shift(file)
        one: u64 = 1
        pgoff: u64 = self.vm_pgoff(vma)
        if pgoff & ((one << (shift - 12)) - 1) != 0 or pgoff >> 51 != 0:
            return -errno.EINVAL
        size: u64 = self.vm_end(vma) - self.vm_start(vma)
        if not self.hugetlb_vm_reserve(vma, inode, shift):
            return -errno.ENOMEM
        past: u64 = size + (pgoff << self.page_shift)
        if vm_flags & VM_WRITE != 0 and load(self.memory, inode + I_SIZE) < past:
            store(self.memory, inode + I_SIZE, past)
        return 0

    def hugetlb_vm_op_split(self, vma: u64, addr: u64) -> i64:
        """Huge pages are not cut: ``-EINVAL`` inside of one, else 0."""
        return -errno.EINVAL if addr & (self.vma_kernel_pagesize(vma) - 1) != 0 else 0
