"""What s390 does otherwise: its layout, its search for free memory, page tables that grow levels.

A task begins with three levels of tables, which reach 4 TiB. Where a mapping is asked for beyond
that, one or two tables are put on top (``crst_table_upgrade``), for good. From arch/s390/mm/mmap.c,
pgalloc.c and mmu_context.h of Linux 6.1; the thread of May 2022 found its bug by such a mapping.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence

from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.memory.memory import Memory
from mmtwin.space import files
from mmtwin.space import flags as c
from mmtwin.space.exec import VSYSCALL as GATE
from mmtwin.space.exec import MapsLine
from mmtwin.space.fields import Caches
from mmtwin.space.space import Space
from mmtwin.space.words import failed

PAGE_MASK = declare(u64, c.PAGE_MASK)
MAP_SHARED = declare(u64, c.MAP_SHARED)
MAP_32BIT = declare(u64, c.MAP_32BIT)
VM_SHARED = declare(u64, c.VM_SHARED)
MAP_FIXED = declare(u64, c.MAP_FIXED)
ADDR_COMPAT_LAYOUT = declare(u64, c.ADDR_COMPAT_LAYOUT)
RLIMIT_STACK = declare(u64, c.RLIMIT_STACK)
INFINITY = declare(u64, c.RLIM_INFINITY)
DATA_DEFAULT = declare(u64, c.VM_DATA_DEFAULT | c.VM_ACCOUNT)
AREA_THP = declare(u64, files.AREA_THP)
VSYSCALL = declare(u64, 104)
PMD_SIZE = declare(u64, 1 << 20)
ALIGN_MASK = declare(u64, 0x7F << 12)
"""Shared and file mappings are aligned to 512 KiB, as cache aliases want it (MMAP_ALIGN_MASK)."""

REGION1_SIZE = declare(u64, 1 << 53)
"""What four levels reach."""
REGION2_SIZE = declare(u64, 1 << 42)
"""What three levels reach: 4 TiB."""
TABLE_SIZE = declare(u64, 16384)
"""2,048 entries (a "crst" table: region or segment)."""
TABLE = "crst_table"
ENTRY_EMPTY = declare(u64, 0x20)
ENTRY_LENGTH = declare(u64, 0x3)
REGION1 = declare(u64, 0xC)
REGION2 = declare(u64, 0x8)
REGION3 = declare(u64, 0x4)
"""The type of a table, in its entries and, for the highest one, in the ASCE."""
ASCE_BITS = declare(u64, 0x1C3)
"""Table length, space switch, private space, storage-alteration event control."""
TYPE_MASK = declare(u64, 0xC)


class SpaceS390(Space):
    """Address spaces of 64-bit tasks on s390, with the rules of Linux 6.1."""

    def __init__(self, memory: Memory, maple: Maple, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, maple, caches, profile)
        self.table_cache = caches.get(TABLE)
        mm = self.layouts.mm_struct
        self.at_asce = mm.offset("asce")
        self.at_asce_limit = mm.offset("asce_limit")
        memory.store(self.sysctl + VSYSCALL, 0)

    # Page tables: how many levels there are. Their entries are not kept: what a fault does is what
    # its VMA shows.

    def page_facts(self) -> dict[str, int]:
        """No levels below the top tables are held against VMAs."""
        return Space.page_facts(self) | {"levels": 0}

    def mm_alloc_pgd(self, mm: u64) -> bint:
        """The top table comes with the context."""
        return True

    def mm_free_pgd(self, mm: u64) -> None:
        """The top table went with the context."""

    def handle_range(self, vma: u64, start: u64, end: u64, write: bint) -> i64:
        """Faults on [start, end): an anon_vma for what is written: 0, ``-ENOMEM``, ``-EFAULT``."""
        if not self.vma_only_fault(vma, write):
            return -errno.ENOMEM
        if self.vma_is_anonymous(vma) or self.vm_file(vma) == 0 or not self.has_page_cache(vma):
            return 0
        past: u64 = self.linear_page_index(vma, end)
        return -errno.EFAULT if past > self.max_index(self.file_inode(self.vm_file(vma))) else 0

    def populate_range(self, vma: u64, start: u64, end: u64, write: bint) -> i64:
        """As by touching."""
        return self.handle_range(vma, start, end, write)

    def pin_page(self, vma: u64, page: u64, write: bint) -> i64:
        """As by touching."""
        return self.handle_range(vma, page, page + 0x1000, write)

    def vma_only_fault(self, vma: u64, write: bint) -> bint:
        """Give a private VMA that is written to its anon_vma; False without memory."""
        if not write or self.vm_flags(vma) & VM_SHARED != 0 or self.anon_vma(vma) != 0:
            return True
        return self.anon_vma_prepare(vma) == 0

    def asce_limit(self, mm: u64) -> u64:
        """The end of what the page tables of ``mm`` reach."""
        return self.memory.load(mm + self.at_asce_limit)

    def crst_table_alloc(self, kind: u64) -> u64:
        """A table of empty entries of a type; 0 without memory."""
        table: u64 = self.table_cache.alloc(GFP_KERNEL)
        if table != 0:
            self.memory.fill(table, TABLE_SIZE, kind | ENTRY_EMPTY)
        return table

    def init_new_context(self, mm: u64, limit: u64) -> bint:
        """Give a fresh ``mm`` its highest table, for as many levels as reach ``limit``."""
        kind: u64 = REGION1
        if limit == REGION2_SIZE:
            kind = REGION3
        elif limit == REGION1_SIZE:
            kind = REGION2
        table: u64 = self.crst_table_alloc(kind)
        if table == 0:
            return False
        self.set_context(mm, table, kind, limit)
        return True

    def set_context(self, mm: u64, table: u64, kind: u64, limit: u64) -> None:
        """Make ``table`` the highest one of ``mm``."""
        memory: Memory = self.memory
        memory.store(mm + self.at_pgd, table)
        memory.store(mm + self.at_asce_limit, limit)
        memory.store(mm + self.at_asce, (table - memory.base) | ASCE_BITS | kind)

    def crst_table_upgrade(self, mm: u64, end: u64) -> i64:
        """Put levels on top until the tables reach ``end``: 0 or ``-ENOMEM``, and no change."""
        memory: Memory = self.memory
        limit: u64 = self.asce_limit(mm)
        if end <= limit:
            return 0
        p4d: u64 = 0
        pgd: u64 = 0
        if limit == REGION2_SIZE:
            p4d = self.crst_table_alloc(REGION2)
            if p4d == 0:
                return -errno.ENOMEM
        if end > REGION1_SIZE:
            pgd = self.crst_table_alloc(REGION1)
            if pgd == 0:
                if p4d != 0:
                    self.table_cache.free(p4d)
                return -errno.ENOMEM
        below: u64 = memory.load(mm + self.at_pgd)
        if p4d != 0:
            memory.store(p4d, (below - memory.base) | REGION2 | ENTRY_LENGTH)
            self.set_context(mm, p4d, REGION2, REGION1_SIZE)
            below = p4d
        if pgd != 0:
            memory.store(pgd, (below - memory.base) | REGION1 | ENTRY_LENGTH)
            self.set_context(mm, pgd, REGION1, self.task_size(mm))
        return 0

    def check_asce_limit(self, mm: u64, addr: u64, length: u64) -> i64:
        """Let the page tables reach the end of [addr, addr + length): ``addr`` or an error."""
        top: u64 = self.task_size(mm)
        if length <= top and addr <= top - length and addr + length > self.asce_limit(mm):
            error: i64 = self.crst_table_upgrade(mm, addr + length)
            if error != 0:
                return error
        return addr

    def mm_alloc(self, task: u64) -> u64:
        """An empty address space with three levels of page tables; 0 without memory."""
        mm: u64 = Space.mm_alloc(self, task)
        if mm != 0 and not self.init_new_context(mm, REGION2_SIZE):
            Space.mm_free(self, mm)
            return 0
        return mm

    def load_image(
        self, task: int, lines: Sequence[MapsLine], *, start_brk: int = 0, start_stack: int = 0
    ) -> int:
        """As everywhere; tables reach what the image holds, also one of another machine."""
        mm = Space.load_image(self, task, lines, start_brk=start_brk, start_stack=start_stack)
        ends = [line.end for line in lines if line.name != GATE]
        if ends and self.crst_table_upgrade(mm, max(ends)) != 0:
            self.mmput(mm)
            raise MemoryError("no memory for a page table")
        return mm

    def dup_mm(self, oldmm: u64, mm: u64) -> i64:
        """A child has as many levels as its parent."""
        limit: u64 = self.asce_limit(oldmm)
        if limit != REGION2_SIZE:
            self.free_tables(mm)
            if not self.init_new_context(mm, limit):
                return -errno.ENOMEM
        return Space.dup_mm(self, oldmm, mm)

    def mm_free(self, mm: u64) -> None:
        """Give the tables back too."""
        self.free_tables(mm)
        Space.mm_free(self, mm)

    def free_tables(self, mm: u64) -> None:
        """Free the highest table and those that it was once put upon."""
        memory: Memory = self.memory
        table: u64 = memory.load(mm + self.at_pgd)
        memory.store(mm + self.at_pgd, 0)
        while table != 0:
            first: u64 = memory.load(table)
            self.table_cache.free(table)
            linked: bint = first & ENTRY_EMPTY == 0 and first & TYPE_MASK != REGION3
            table = (first & PAGE_MASK) + memory.base if linked else 0

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
        first: u64 = ((pgoff << 12) + PMD_SIZE - 1) & ~(PMD_SIZE - 1)
        if (
            file != 0
            and self.file_area(file) == AREA_THP
            and past > first
            and past - first >= PMD_SIZE
        ):
            wide: u64 = length + PMD_SIZE
            found: i64 = self.s390_get_unmapped_area(mm, file, addr, wide, pgoff, map_flags)
            if not failed(found):
                place: u64 = found
                if place == addr:
                    return found
                into: u64 = (pgoff << 12) & (PMD_SIZE - 1)
                return place + (into + PMD_SIZE - (place & (PMD_SIZE - 1))) % PMD_SIZE
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
