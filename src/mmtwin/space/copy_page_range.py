"""fork's copy of page tables: which areas, and what becomes of each entry.

Private pages are shared and write-protected on both sides; an area that faults can fill again is
not copied at all. ``copy_page_range``, mm/memory.c.
"""

from __future__ import annotations

import errno

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.memory.memory import Memory
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space.zap import Zap

if not cython.compiled:
    from mmtwin.pages.words import load

VM_SHARED = declare(u64, c.VM_SHARED)
VM_MAYWRITE = declare(u64, c.VM_MAYWRITE)
VM_COPY_ON_FORK = declare(u64, c.VM_PFNMAP | c.VM_MIXEDMAP | c.VM_MAYBE_GUARD_6_18)
VM_UFFD_WP = declare(u64, c.VM_UFFD_WP)
PRESENT = declare(u64, p.PRESENT)
PROTNONE = declare(u64, p.PROTNONE)
RW = declare(u64, p.RW)
DIRTY = declare(u64, p.DIRTY)
ACCESSED = declare(u64, p.ACCESSED)
UFFD_WP = declare(u64, p.UFFD_WP)
SWP_EXCLUSIVE = declare(u64, p.SWP_EXCLUSIVE)
MIGRATION_READ = declare(u64, p.SWP_MIGRATION_READ)
MARKER_GUARD = declare(u64, p.MARKER_GUARD)
MM_SWAPENTS = declare(u64, p.MM_SWAPENTS)


class CopyPageRange(Zap):
    """``copy_page_range``."""

    def vma_needs_copy(self, dst: u64, src: u64) -> bint:
        """Whether the child needs the parent's entries: faults cannot bring all of them back."""
        if self.vm_flags(dst) & VM_UFFD_WP != 0 or self.vm_flags(src) & VM_COPY_ON_FORK != 0:
            return True
        return self.anon_vma(src) != 0

    def copy_page_range(self, dst: u64, src: u64) -> i64:
        """Copy the entries of the parent's ``src`` for the child's ``dst``: 0 or ``-ENOMEM``."""
        mm: u64 = self.vm_mm(src)
        if self.pgtables_bytes(mm) == 0 or not self.vma_needs_copy(dst, src):
            return 0
        if self.is_vm_hugetlb_page(src):
            return self.huge.copy_page_range(dst, src)
        child: u64 = self.vm_mm(dst)
        at: u64 = self.vm_start(src)
        end: u64 = self.vm_end(src)
        while at < end:
            pmd: u64 = self.walk(mm, at, 1)
            # The child gets every table that the parent has, even one with nothing to copy in it.
            level: i32 = 1
            if pmd == 0:
                level = 2
                while level < self.top_level and self.walk(mm, at, level) == 0:
                    level += 1
            to: u64 = self.entry_alloc(child, at, level)
            if to == 0:
                return -errno.ENOMEM
            if pmd == 0:
                at = self.next_table(mm, at, end)
                continue
            past: u64 = (at & ~(self.pmd_size - 1)) + self.pmd_size
            if past > end:
                past = end
            entry: u64 = self.pmdp_get(pmd)
            if entry != 0:
                if self.pmd_is_leaf(entry):
                    if self.copy_huge_pmd(dst, src, to, pmd, at) != 0:
                        return -errno.ENOMEM
                    # Without a page of its own the parent's may have been split.
                    entry = self.pmdp_get(pmd)
                if not self.pmd_is_leaf(entry):
                    if not self.pte_alloc(child, to, at):
                        return -errno.ENOMEM
                    self.copy_pte_range(
                        dst,
                        src,
                        self.pte_offset(self.pmdp_get(to), at),
                        self.pte_offset(entry, at),
                        (past - at) >> 12,
                    )
            at = past
        return 0

    def copy_huge_pmd(self, dst: u64, src: u64, to: u64, pmd: u64, address: u64) -> i64:
        """Copy the entry of a huge page at ``pmd`` to ``to``: 0 or ``-ENOMEM``."""
        raise TypeError("huge pages are copied by a class further up")

    def copy_pte_range(self, dst: u64, src: u64, to: u64, pte: u64, count: u64) -> None:
        """Copy ``count`` entries."""
        memory: Memory = self.memory
        translates: bint = self.translates
        child: u64 = self.vm_mm(dst)
        vm_flags: u64 = self.vm_flags(src)
        cow: bint = vm_flags & (VM_SHARED | VM_MAYWRITE) == VM_MAYWRITE
        anon: i64 = 0
        while count > 0:
            entry: u64 = load(memory, pte)
            if translates:
                entry = self.ptep_get(pte)
            if entry & (PRESENT | PROTNONE) != 0:
                page: u64 = self.vm_normal_page(entry)
                if page != 0:
                    self.pages.get_page(self.pages.compound_head(page))
                    self.mapcount_add(page, 1)
                    if self.page_anon(page):
                        self.set_page_exclusive(page, False)
                        anon += 1
                    else:
                        self.add_mm_counter(child, self.mm_counter(page), 1)
                if cow and entry & RW != 0:
                    entry &= ~RW
                    self.set_pte(pte, entry)
                if vm_flags & VM_SHARED != 0:
                    entry &= ~DIRTY
                self.set_pte(to, entry & ~(ACCESSED | UFFD_WP))
            elif entry != 0:
                self.copy_nonpresent_pte(dst, to, pte, entry, cow)
            pte += 8
            to += 8
            count -= 1
        if anon != 0:
            self.add_mm_counter(child, 1, anon)

    def copy_nonpresent_pte(self, dst: u64, to: u64, pte: u64, entry: u64, cow: bint) -> None:
        """Copy an entry whose page is elsewhere; what was exclusive or writable is so no more."""
        child: u64 = self.vm_mm(dst)
        if self.is_swap_pte(entry):
            self.swap_duplicate(self.swp_offset(entry))
            self.add_mm_counter(child, MM_SWAPENTS, 1)
            if entry & SWP_EXCLUSIVE != 0:
                entry &= ~SWP_EXCLUSIVE
                self.set_pte(pte, entry)
            self.set_pte(to, entry)
        elif self.is_migration_pte(entry):
            page: u64 = self.migration_page(entry)
            self.add_mm_counter(child, self.mm_counter(page), 1)
            if cow and self.swp_type(entry) != MIGRATION_READ:
                entry = self.swp_pte(MIGRATION_READ, self.swp_offset(entry))
                self.set_pte(pte, entry)
            self.set_pte(to, entry)
        elif self.is_marker_pte(entry) and self.swp_offset(entry) & MARKER_GUARD != 0:
            self.set_pte(to, entry)
