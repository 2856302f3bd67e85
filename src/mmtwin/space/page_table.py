"""Page tables: levels of 512 entries in page frames of their own, made at faults, freed at unmaps.

Level 0 is the table of ptes, 1 of pmds, 2 of puds, then p4ds where there are five levels; the
highest is the pgd. An entry of level L covers 2^(12 + 9 L) bytes. ``mm.pgtables_bytes`` counts
every table but the pgd, as the kernel does.
"""

from __future__ import annotations

from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.memory.memory import Memory
from mmtwin.pages.page_alloc import PageAlloc
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space.fields import Caches
from mmtwin.space.proc_maps import ProcMaps

PFN_MASK = declare(u64, p.PFN_MASK)
TABLE = declare(u64, p.TABLE)
PRESENT = declare(u64, p.PRESENT)
PSE = declare(u64, p.PSE)
TABLE_BYTES = declare(u64, p.TABLE_BYTES)
PMD_SIZE = declare(u64, c.PMD_SIZE)
GFP_PGTABLE_USER = declare(u64, 0x400DC0)
"""GFP_KERNEL_ACCOUNT | __GFP_ZERO."""


class PageTable(ProcMaps):
    """Walks, allocation, and ``free_pgd_range``.

    ``pages`` is the page allocator that tables and user pages come from; a twin sets it.
    """

    def __init__(self, memory: Memory, maple: Maple, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, maple, caches, profile)
        mm = self.layouts.mm_struct
        self.at_pgd = mm.offset("pgd")
        self.at_pgtables_bytes = mm.offset("pgtables_bytes")
        self.top_level = profile.page_table_levels - 1

    def take_pages(self, pages: PageAlloc) -> None:
        """Let page tables and user pages come from this page allocator."""
        self.pages = pages

    # The top table.

    def mm_alloc_pgd(self, mm: u64) -> bint:
        """Give a new address space its pgd; False without memory."""
        table: u64 = self.pt_alloc_one()
        self.memory.store(mm + self.at_pgd, table)
        return table != 0

    def mm_free_pgd(self, mm: u64) -> None:
        """Free the pgd of an address space that holds no other table any more."""
        table: u64 = self.memory.load(mm + self.at_pgd)
        if table != 0:
            self.pt_free(table)

    def pgd(self, mm: u64) -> u64:
        """The top table."""
        return self.memory.load(mm + self.at_pgd)

    def pgtables_bytes(self, mm: u64) -> u64:
        """Bytes of page tables below the pgd."""
        return self.memory.load(mm + self.at_pgtables_bytes)

    # Tables.

    def pt_alloc_one(self) -> u64:
        """A zeroed table: its address in the direct map, 0 without memory."""
        page: u64 = self.pages.alloc_pages(GFP_PGTABLE_USER, 0, 0)
        if page == 0:
            return 0
        return self.memory.base + (self.pages.page_to_pfn(page) << 12)

    def pt_free(self, table: u64) -> None:
        """Free a table."""
        pfn: u64 = (table - self.memory.base) >> 12
        self.pages.put_page(self.pages.pfn_to_page(pfn))

    def count_tables(self, mm: u64, more: bint) -> None:
        """One table more or less in ``pgtables_bytes``."""
        at: u64 = mm + self.at_pgtables_bytes
        count: u64 = self.memory.load(at)
        self.memory.store(at, count + TABLE_BYTES if more else count - TABLE_BYTES)

    def table_of(self, entry: u64) -> u64:
        """The table that an entry leads to: its address in the direct map."""
        return self.memory.base + (entry & PFN_MASK)

    def entry_of(self, table: u64) -> u64:
        """The entry that leads to a table."""
        return (table - self.memory.base) | TABLE

    # Walks.

    def walk(self, mm: u64, address: u64, level: i32) -> u64:
        """Where the entry of ``level`` for ``address`` lies; 0 if a table above is missing."""
        memory: Memory = self.memory
        table: u64 = memory.load(mm + self.at_pgd)
        at: i32 = self.top_level
        while True:
            slot: u64 = table + 8 * ((address >> (12 + 9 * at)) & 511)
            if at == level:
                return slot
            entry: u64 = memory.load(slot)
            if entry == 0 or (entry & PSE != 0 and at > 0):
                return 0
            table = memory.base + (entry & PFN_MASK)
            at -= 1

    def pmd_offset(self, mm: u64, address: u64) -> u64:
        """Where the pmd entry for ``address`` lies, 0 if there is no table of pmds."""
        return self.walk(mm, address, 1)

    def pmd_alloc(self, mm: u64, address: u64) -> u64:
        """As :meth:`pmd_offset`, with the tables above made; 0 without memory."""
        memory: Memory = self.memory
        table: u64 = memory.load(mm + self.at_pgd)
        at: i32 = self.top_level
        while True:
            slot: u64 = table + 8 * ((address >> (12 + 9 * at)) & 511)
            if at == 1:
                return slot
            entry: u64 = memory.load(slot)
            if entry == 0:
                table = self.pt_alloc_one()
                if table == 0:
                    return 0
                memory.store(slot, self.entry_of(table))
                self.count_tables(mm, True)
            else:
                table = memory.base + (entry & PFN_MASK)
            at -= 1

    def pte_alloc(self, mm: u64, pmd: u64) -> bint:
        """Give the pmd entry at ``pmd`` a table of ptes if it has none; False without memory."""
        if self.memory.load(pmd) != 0:
            return True
        table: u64 = self.pt_alloc_one()
        if table == 0:
            return False
        self.memory.store(pmd, self.entry_of(table))
        self.count_tables(mm, True)
        return True

    def pmd_trans_huge(self, entry: u64) -> bint:
        """Does the pmd entry map a huge page?"""
        return entry & (PSE | PRESENT) == PSE | PRESENT

    def pte_offset(self, pmd_entry: u64, address: u64) -> u64:
        """Where the pte for ``address`` lies in the table that ``pmd_entry`` leads to."""
        return self.memory.base + (pmd_entry & PFN_MASK) + 8 * ((address >> 12) & 511)

    def pte_at(self, mm: u64, address: u64) -> u64:
        """Where the pte for ``address`` lies; 0 if it has no table or lies in a huge page."""
        pmd: u64 = self.walk(mm, address, 1)
        if pmd == 0:
            return 0
        entry: u64 = self.memory.load(pmd)
        if entry == 0 or entry & PSE != 0 or entry & PRESENT == 0:
            return 0
        return self.pte_offset(entry, address)

    # Freeing.

    def free_pgd_range(self, mm: u64, addr: u64, end: u64, floor: u64, ceiling: u64) -> None:
        """Free the tables that only [addr, end) needed.

        ``floor`` and ``ceiling`` are where the neighbours end and begin (``ceiling`` 0: none
        above): a table that covers part of them stays.
        """
        addr &= ~(PMD_SIZE - 1)
        if addr < floor:
            addr += PMD_SIZE
        if ceiling != 0:
            ceiling &= ~(PMD_SIZE - 1)
            if ceiling == 0:
                return
            if end > ceiling:
                end -= PMD_SIZE
        if addr < end:
            self._free_range(mm, self.pgd(mm), self.top_level, addr, end, floor, ceiling)

    def _free_range(
        self, mm: u64, table: u64, level: i32, addr: u64, end: u64, floor: u64, ceiling: u64
    ) -> None:
        """Free what hangs on the entries of ``table`` for [addr, end)."""
        memory: Memory = self.memory
        one: u64 = 1
        size: u64 = one << (12 + 9 * level)
        at: u64 = addr
        while at < end:
            past: u64 = (at & ~(size - 1)) + size
            if past > end:
                past = end
            slot: u64 = table + 8 * ((at >> (12 + 9 * level)) & 511)
            entry: u64 = memory.load(slot)
            if entry != 0 and entry & PSE == 0:
                lower: u64 = memory.base + (entry & PFN_MASK)
                if level > 1:
                    self._free_range(mm, lower, level - 1, at, past, floor, ceiling)
                if level == 1 or self._table_is_free(at, past, size, floor, ceiling):
                    memory.store(slot, 0)
                    self.pt_free(lower)
                    self.count_tables(mm, False)
            at = past

    def _table_is_free(self, start: u64, past: u64, size: u64, floor: u64, ceiling: u64) -> bint:
        """Does nobody else need the table that covers the ``size`` bytes around ``start``?"""
        first: u64 = start & ~(size - 1)
        if first < floor:
            return False
        if ceiling == 0:
            return True
        ceiling &= ~(size - 1)
        return ceiling != 0 and past <= ceiling
