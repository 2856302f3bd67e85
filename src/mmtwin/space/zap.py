"""Unmapping: pages leave the page tables, tables without use are freed.

``unmap_vmas`` and ``free_pgtables`` for areas that go, ``zap_page_range`` for pages alone.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug
from mmtwin.maple.state import MaState
from mmtwin.memory.memory import Memory
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space.page_cache import PageCache

if not cython.compiled:
    from mmtwin.pages.words import load

PRESENT = declare(u64, p.PRESENT)
PROTNONE = declare(u64, p.PROTNONE)
PSE = declare(u64, p.PSE)
DIRTY = declare(u64, p.DIRTY)
ACCESSED = declare(u64, p.ACCESSED)
VM_SEQ_READ = declare(u64, c.VM_SEQ_READ)
VM_LOCKED = declare(u64, c.VM_LOCKED)
P4DS = declare(i32, 3)
MM_SWAPENTS = declare(u64, p.MM_SWAPENTS)


class Zap(PageCache):
    """``unmap_page_range`` and what follows it."""

    def unmap_vmas(self, mas: MaState) -> None:
        """Zap the pages of every area that ``mas`` walks from its beginning."""
        mas.set(0)
        vma: u64 = self.exit_next(mas)
        if vma == 0 or self.pgtables_bytes(self.vm_mm(vma)) == 0:
            return
        self.update_hiwater_rss(self.vm_mm(vma))
        while vma != 0:
            self.unmap_page_range(vma, self.vm_start(vma), self.vm_end(vma), True)
            vma = self.exit_next(mas)
        if self.has_huge_pages():
            self.huge.finish_unmap()

    def free_pgtables(self, mas: MaState, floor: u64, ceiling: u64) -> None:
        """Free the tables of the areas that ``mas`` walks from its beginning.

        ``floor`` is where the area below ends, ``ceiling`` where the one above begins, 0 for none.
        Areas less than 2 MiB apart go together.
        """
        mas.set(0)
        vma: u64 = self.exit_next(mas)
        if vma == 0:
            return
        mm: u64 = self.vm_mm(vma)
        while vma != 0:
            start: u64 = self.vm_start(vma)
            end: u64 = self.vm_end(vma)
            vma = self.exit_next(mas)
            while vma != 0 and self.vm_start(vma) <= end + self.pmd_size:
                end = self.vm_end(vma)
                vma = self.exit_next(mas)
            if not self.may_have_tables(mm):
                return
            above: u64 = self.vm_start(vma) if vma != 0 else ceiling
            self.free_pgd_range(mm, start, end, floor, above)

    def free_region_tables(self, mas: MaState) -> None:
        """Free the tables of the areas that ``mas`` walks, but what those around need."""
        mas.set(0)
        vma: u64 = self.exit_next(mas)
        if vma == 0:
            return
        mm: u64 = self.vm_mm(vma)
        if not self.may_have_tables(mm):
            return
        start: u64 = self.vm_start(vma)
        end: u64 = start
        while vma != 0:
            end = self.vm_end(vma)
            vma = self.exit_next(mas)
        below: u64 = self.vma_prev(mm, start)
        above: u64 = self.find_vma(mm, end)
        self.free_pgtables(
            mas,
            self.vm_end(below) if below != 0 else 0,
            self.vm_start(above) if above != 0 else 0,
        )

    def may_have_tables(self, mm: u64) -> bint:
        """Is there anything below the top table? Tables of p4ds are not counted."""
        return self.top_level > P4DS or self.pgtables_bytes(mm) != 0

    def zap_page_range(self, vma: u64, start: u64, end: u64) -> None:
        """Zap the pages of part of an area; the tables stay."""
        mm: u64 = self.vm_mm(vma)
        if self.pgtables_bytes(mm) != 0:
            self.update_hiwater_rss(mm)
            self.unmap_page_range(vma, start, end, True)
            if self.is_vm_hugetlb_page(vma):
                self.huge.finish_unmap()

    def unmap_page_range(self, vma: u64, start: u64, end: u64, even_cows: bint) -> None:
        """Zap [start, end) of ``vma``; without ``even_cows`` private copies of pages stay."""
        if self.is_vm_hugetlb_page(vma):
            self.huge.unmap_range(vma, start, end)
            return
        if start >= end:
            raise KernelBug("addr >= end", "unmap_page_range")
        mm: u64 = self.vm_mm(vma)
        at: u64 = start
        while at < end:
            pmd: u64 = self.walk(mm, at, 1)
            if pmd == 0:
                at = self.next_table(mm, at, end)
                continue
            past: u64 = (at & ~(self.pmd_size - 1)) + self.pmd_size
            if past > end:
                past = end
            entry: u64 = self.pmdp_get(pmd)
            if entry != 0 and self.pmd_is_leaf(entry):
                entry = self.zap_huge_pmd(vma, pmd, at, past)
            if entry != 0:
                self.zap_pte_range(vma, self.pte_offset(entry, at), at, past, even_cows)
            at = past

    def next_table(self, mm: u64, address: u64, end: u64) -> u64:
        """The next address after a gap in the tables above the pmds, at most ``end``."""
        level: u64 = self.top_level
        one: u64 = 1
        while level > 2 and self.walk(mm, address, level - 1) != 0:
            level -= 1
        size: u64 = one << (12 + 9 * level)
        past: u64 = (address & ~(size - 1)) + size
        return past if past < end else end

    def pmd_is_leaf(self, entry: u64) -> bint:
        """Does a pmd entry that is not none stand for a page rather than lead to a table?"""
        return entry & PSE != 0 or entry & PRESENT == 0

    def zap_huge_pmd(self, vma: u64, pmd: u64, start: u64, end: u64) -> u64:
        """Zap a huge page wholly, or split it: the pmd entry that leads to ptes, 0 if gone."""
        raise KernelBug("pmd_trans_huge(*pmd)", "zap_pmd_range")

    def zap_pte_range(self, vma: u64, pte: u64, start: u64, end: u64, even_cows: bint) -> None:
        """Zap the entries from the one at ``pte`` on, which is that of ``start``."""
        memory: Memory = self.memory
        translates: bint = self.translates
        mm: u64 = self.vm_mm(vma)
        seldom: bint = self.vm_flags(vma) & VM_SEQ_READ != 0
        locked: bint = self.vm_flags(vma) & VM_LOCKED != 0
        anon: i64 = 0
        while start < end:
            entry: u64 = load(memory, pte)
            if translates:
                entry = self.ptep_get(pte)
            if entry == 0:
                pass
            elif entry & (PRESENT | PROTNONE) != 0:
                page: u64 = self.vm_normal_page(entry)
                if page == 0:
                    self.set_pte(pte, 0)
                elif self.page_anon(page):
                    if even_cows:
                        self.set_pte(pte, 0)
                        anon += 1
                        self.page_remove_rmap(page)
                        if locked:
                            self.munlock_vma_page(page, vma)
                        self.free_swap_cache(page)
                        self.put_user_page(page)
                else:
                    self.set_pte(pte, 0)
                    if entry & DIRTY != 0:
                        self.set_page_flag(page, self.pg_dirty)
                    if entry & ACCESSED != 0 and not seldom:
                        self.mark_page_accessed(page)
                    self.add_mm_counter(mm, self.mm_counter(page), -1)
                    self.page_remove_rmap(page)
                    if locked:
                        self.munlock_vma_page(page, vma)
                    self.put_user_page(page)
            elif even_cows or self.is_migration_pte(entry):
                self.zap_swap_pte(mm, pte, entry)
            pte += 8
            start += 0x1000
        if anon != 0:
            self.add_mm_counter(mm, 1, -anon)

    def zap_swap_pte(self, mm: u64, pte: u64, entry: u64) -> None:
        """Take away an entry whose page is elsewhere."""
        if self.is_swap_pte(entry):
            self.set_pte(pte, 0)
            self.add_mm_counter(mm, MM_SWAPENTS, -1)
            self.swap_free(self.swp_offset(entry))
        elif self.is_migration_pte(entry):
            page: u64 = self.migration_page(entry)
            if not self.page_flag(page, self.pg_locked):
                raise KernelBug("!PageLocked(p)", "pfn_swap_entry_to_page")
            self.set_pte(pte, 0)
            self.add_mm_counter(mm, self.mm_counter(page), -1)
        else:
            self.set_pte(pte, 0)

    def mark_page_accessed(self, page: u64) -> None:
        """The page was used: reclaim learns of it."""
        self.pages.folio_mark_accessed(self.pages.compound_head(page))
