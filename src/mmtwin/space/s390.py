"""What s390 does otherwise: its layout, its search for free memory, page tables that grow levels.

A task begins with three levels of tables, which reach 4 TiB. Where a mapping is asked for beyond
that, one or two tables are put on top (``crst_table_upgrade``), for good. From arch/s390/mm/mmap.c,
pgalloc.c and mmu_context.h of Linux 6.1; the thread of May 2022 found its bug by such a mapping.
"""

from __future__ import annotations

import errno

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.memory.memory import Memory
from mmtwin.space import files
from mmtwin.space import flags as c
from mmtwin.space.fields import Caches
from mmtwin.space.space import Space
from mmtwin.space.words import failed

if not cython.compiled:
    from mmtwin.pages.words import load, store

PAGE_MASK = declare(u64, c.PAGE_MASK)
MAP_SHARED = declare(u64, c.MAP_SHARED)
MAP_32BIT = declare(u64, c.MAP_32BIT)
MAP_FIXED = declare(u64, c.MAP_FIXED)
ADDR_COMPAT_LAYOUT = declare(u64, c.ADDR_COMPAT_LAYOUT)
RLIMIT_STACK = declare(u64, c.RLIMIT_STACK)
INFINITY = declare(u64, c.RLIM_INFINITY)
DATA_DEFAULT = declare(u64, c.VM_DATA_DEFAULT | c.VM_ACCOUNT)
AREA_THP = declare(u64, files.AREA_THP)
VSYSCALL = declare(u64, 104)
ALIGN_MASK = declare(u64, 0x7F << 12)
"""Shared and file mappings are aligned to 512 KiB, as cache aliases want it (MMAP_ALIGN_MASK)."""


class SpaceS390(Space):
    """Address spaces of 64-bit tasks on s390, with the rules of Linux 6.1."""

    def __init__(self, memory: Memory, maple: Maple, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, maple, caches, profile)
        self.at_asce_limit = self.layouts.mm_struct.offset("asce_limit")
        store(memory, self.sysctl + VSYSCALL, 0)

    def asce_limit(self, mm: u64) -> u64:
        """The end of what the page tables of ``mm`` reach."""
        return load(self.memory, mm + self.at_asce_limit)

    def crst_table_upgrade(self, mm: u64, end: u64) -> i64:
        """Let the page tables reach ``end``: 0 or a negative errno."""
        raise TypeError("page tables are upgraded by a class further up")

    def check_asce_limit(self, mm: u64, addr: u64, length: u64) -> i64:
        """Let the page tables reach the end of [addr, addr + length): ``addr`` or an error."""
        top: u64 = self.task_size(mm)
        if length <= top and addr <= top - length and addr + length > self.asce_limit(mm):
            error: i64 = self.crst_table_upgrade(mm, addr + length)
            if error != 0:
                return error
        return addr

    def check_brk_limits(self, mm: u64, addr: u64, length: u64) -> i64:
        """As everywhere; the page tables must reach the new end first."""
        if length <= self.task_size(mm):
            reached: i64 = self.check_asce_limit(mm, addr, length)
            if failed(reached):
                return reached
        return Space.check_brk_limits(self, mm, addr, length)

    def sys_pkey_mprotect(self, mm: u64, start: u64, length: u64, prot: u64, pkey: u64) -> i64:
        """There are no protection keys, so there is no such call."""
        return -errno.ENOSYS

    def known_map_flags(self, file: u64) -> u64:
        """MAP_32BIT is not one of them."""
        return Space.known_map_flags(self, file) & ~MAP_32BIT

    def access_ok(self, mm: u64, start: u64, length: u64) -> bint:
        """Programs and the kernel have address spaces of their own: every address can be one's."""
        return True

    def data_default_flags(self, mm: u64) -> u64:
        """Heaps are never executable (VM_DATA_DEFAULT_FLAGS), whatever the personality says."""
        return DATA_DEFAULT

    def hugetlb_file_setup(self, name: str, size: u64, shift: i32) -> u64:
        """No huge pages on this machine."""
        return 0

    # Where things go.

    def arch_pick_mmap_layout(self, mm: u64) -> None:
        """As everywhere, but an unlimited stack asks for the old layout too."""
        if (
            self.personality(mm) & ADDR_COMPAT_LAYOUT == 0
            and self.rlimit(mm, RLIMIT_STACK) == INFINITY
        ):
            base: u64 = self.profile.unmapped_base
            self.set_mmap_base(mm, base)
            return
        Space.arch_pick_mmap_layout(self, mm)
        self.set_mmap_legacy_base(mm, 0)

    def choose_area(
        self, mm: u64, file: u64, addr: u64, length: u64, pgoff: u64, map_flags: u64
    ) -> i64:
        """The file's own search if it has one, else the address space's.

        What is found may need more levels of page tables, also where a fixed address is asked for.
        """
        if file == 0:
            pgoff = 0  # shared memory without a file begins at its own page 0
        past: u64 = (pgoff << 12) + length
        first: u64 = ((pgoff << 12) + self.pmd_size - 1) & ~(self.pmd_size - 1)
        if (
            file != 0
            and self.file_area(file) == AREA_THP
            and past > first
            and past - first >= self.pmd_size
        ):
            wide: u64 = length + self.pmd_size
            found: i64 = self.s390_get_unmapped_area(mm, file, addr, wide, pgoff, map_flags)
            if not failed(found):
                place: u64 = found
                if place == addr:
                    return found
                within: u64 = self.pmd_size - 1
                into: u64 = (pgoff << 12) & within
                return place + (into + self.pmd_size - (place & within)) % self.pmd_size
        return self.s390_get_unmapped_area(mm, file, addr, length, pgoff, map_flags)

    def s390_get_unmapped_area(
        self, mm: u64, file: u64, addr: u64, length: u64, pgoff: u64, map_flags: u64
    ) -> i64:
        """``arch_get_unmapped_area`` in both directions: an address or a negative errno."""
        top: u64 = self.task_size(mm)
        least: u64 = self.sysctl_mmap_min_addr()
        if length > top - least:
            return -errno.ENOMEM
        if map_flags & MAP_FIXED != 0:
            return self.check_asce_limit(mm, addr, length)
        if addr != 0:
            addr = (addr + 0xFFF) & PAGE_MASK
            above: u64 = self.find_vma(mm, addr)
            if (
                top - length >= addr
                and addr >= least
                and (above == 0 or addr + length <= self.vm_start_gap(above))
            ):
                return self.check_asce_limit(mm, addr, length)
        aligned: bint = file != 0 or map_flags & MAP_SHARED != 0
        mask: u64 = ALIGN_MASK if aligned else 0
        base: u64 = self.mmap_base(mm)
        found: i64 = -errno.ENOMEM
        if self.mm_topdown(mm):
            found = self.aligned_area_topdown(mm, length, least, base, mask, pgoff << 12)
            base = self.profile.unmapped_base
        if failed(found):
            found = self.aligned_area(mm, length, base, top, mask, pgoff << 12)
        if failed(found):
            return found
        return self.check_asce_limit(mm, found, length)
