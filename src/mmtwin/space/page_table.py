"""Page tables: levels of 512 entries in page frames of their own, made at faults, freed at unmaps.

Level 0 is the table of ptes, 1 of pmds, 2 of puds, then p4ds where there are five levels; the
highest is the pgd. An entry of level L covers 2^(12 + 9 L) bytes. ``mm.pgtables_bytes`` counts
tables of ptes, pmds and puds, as the kernel does.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.memory.memory import Memory
from mmtwin.pages.pages import Pages
from mmtwin.space import pte_bits as p
from mmtwin.space.fields import Caches
from mmtwin.space.proc_maps import ProcMaps

if not cython.compiled:
    from mmtwin.pages.words import load, store

PFN_MASK = declare(u64, p.PFN_MASK)
TABLE = declare(u64, p.TABLE)
PRESENT = declare(u64, p.PRESENT)
PSE = declare(u64, p.PSE)
TABLE_BYTES = declare(u64, p.TABLE_BYTES)
PUDS = declare(i32, 2)
"""The highest level whose tables are counted."""
PMD_HUGE_PTE = declare(u64, 16)
"""struct page of a table of pmds: the first table put by (pmd_huge_pte)."""
TOP32 = declare(u64, 0xFFFFFFFF)
PT_MM = declare(u64, 0x20)
PT_PLACE = declare(u64, 0x28)
"""struct page of a table: its first address and its level (the kernel: its lock)."""
PUT_BY = declare(u64, 0x800)
"""Instead: a table that maps nothing, put by for a huge page."""
PG_TABLE = declare(u64, 0xFFFFFBFF)
PG_TABLE_6_10 = declare(u64, 0xF2000000)
"""page_type of a table, in place of _mapcount."""
GFP_PGTABLE_USER = declare(u64, 0x400DC0)
"""GFP_KERNEL_ACCOUNT | __GFP_ZERO."""


class PageTable(ProcMaps):
    """Walks, allocation, and ``free_pgd_range``.

    ``pages`` is the page allocator that tables and user pages come from; a twin sets it.
    ``translates`` says that entries stand in memory otherwise than ``ptep_get`` gives them; where
    it is False, the innermost loops read them there.
    """

    def __init__(self, memory: Memory, maple: Maple, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, maple, caches, profile)
        mm = self.layouts.mm_struct
        self.at_pgd = mm.offset("pgd")
        self.at_pgtables_bytes = mm.offset("pgtables_bytes")
        self.top_level = profile.page_table_levels - 1
        self.translates = False

    def take_pages(self, pages: Pages) -> None:
        """Let page tables and user pages come from this page allocator."""
        self.pages = pages
        self.map_shift = 32 if self.memory.big_endian else 0
        kind: u64 = PG_TABLE_6_10 if self.profile.since(6, 10) else PG_TABLE
        self.table_type = kind << self.map_shift

    # The top table.

    def mm_alloc_pgd(self, mm: u64) -> bint:
        """Give a new address space its pgd; False without memory."""
        table: u64 = self.pt_alloc_one(mm, 0, self.top_level)
        store(self.memory, mm + self.at_pgd, table)
        return table != 0

    def mm_free_pgd(self, mm: u64) -> None:
        """Free the pgd of an address space that holds no other table any more."""
        table: u64 = load(self.memory, mm + self.at_pgd)
        if table != 0:
            self.pt_free(table)

    def pgd(self, mm: u64) -> u64:
        """The top table."""
        return load(self.memory, mm + self.at_pgd)

    def pgtables_bytes(self, mm: u64) -> u64:
        """Bytes of page tables below the pgd."""
        return load(self.memory, mm + self.at_pgtables_bytes)

    # Tables.

    def pt_alloc_one(self, mm: u64, address: u64, level: i32) -> u64:
        """A zeroed table of ``level`` for ``address``: where it lies, 0 without memory.

        Its struct page is marked as a table's (PG_table) and tells whose it is.
        """
        pages: Pages = self.pages
        page: u64 = pages.alloc_pages(GFP_PGTABLE_USER, 0, 0)
        if page == 0:
            return 0
        self.mark_table(page, mm)
        self.place_table(page, address, level)
        return self.memory.base + (pages.page_to_pfn(page) << 12)

    def mark_table(self, page: u64, mm: u64) -> None:
        """Note in a struct page that its page is a table, and whose (``__SetPageTable``)."""
        pages: Pages = self.pages
        pages.st(page + PMD_HUGE_PTE, 0)
        pages.st(page + PT_MM, mm)
        counts: u64 = pages.ld(page + pages.o_counts)
        pages.st(page + pages.o_counts, counts & ~(TOP32 << self.map_shift) | self.table_type)

    def unmark_table(self, page: u64) -> None:
        """The page is no table any more."""
        pages: Pages = self.pages
        counts: u64 = pages.ld(page + pages.o_counts)
        pages.st(page + pages.o_counts, counts | TOP32 << self.map_shift)

    def place_table(self, page: u64, address: u64, level: i32) -> None:
        """Note in a table's struct page which addresses it maps."""
        size: u64 = 1
        size = size << (21 + 9 * level)
        first: u64 = address & ~(size - 1) if level < self.top_level else 0
        self.pages.st(page + PT_PLACE, first | level)

    def table_page(self, table: u64) -> u64:
        """The struct page of a table."""
        return self.pages.pfn_to_page((table - self.memory.base) >> 12)

    def pt_free(self, table: u64) -> None:
        """Free a table."""
        page: u64 = self.table_page(table)
        self.unmark_table(page)
        self.pages.put_page(page)

    def count_tables(self, mm: u64, level: i32, more: bint) -> None:
        """One table of ``level`` more or less in ``pgtables_bytes``."""
        at: u64 = mm + self.at_pgtables_bytes
        count: u64 = load(self.memory, at)
        store(self.memory, at, count + TABLE_BYTES if more else count - TABLE_BYTES)

    def table_of(self, entry: u64) -> u64:
        """The table that an entry leads to: its address in the direct map."""
        return self.memory.base + (entry & PFN_MASK)

    def entry_of(self, table: u64) -> u64:
        """The entry that leads to a table."""
        return (table - self.memory.base) | TABLE

    # Entries, as every machine's are seen: none is 0, the others have the bits of ``pte_bits``.

    def ptep_get(self, pte: u64) -> u64:
        """The entry at ``pte``, in a table of ptes."""
        return load(self.memory, pte)

    def set_pte(self, pte: u64, entry: u64) -> None:
        """Make ``entry`` the one at ``pte``, in a table of ptes."""
        store(self.memory, pte, entry)

    def pmdp_get(self, pmd: u64) -> u64:
        """The entry at ``pmd``, in a table of pmds."""
        return load(self.memory, pmd)

    def set_pmd(self, pmd: u64, entry: u64) -> None:
        """Make ``entry`` the one at ``pmd``, in a table of pmds."""
        store(self.memory, pmd, entry)

    # Walks.

    def walk(self, mm: u64, address: u64, level: i32) -> u64:
        """Where the entry of ``level`` for ``address`` lies; 0 if a table above is missing."""
        memory: Memory = self.memory
        table: u64 = load(memory, mm + self.at_pgd)
        at: i32 = self.top_level
        while True:
            slot: u64 = table + 8 * ((address >> (12 + 9 * at)) & 511)
            if at == level:
                return slot
            entry: u64 = load(memory, slot)
            if entry == 0 or (entry & PSE != 0 and at > 0):
                return 0
            table = memory.base + (entry & PFN_MASK)
            at -= 1

    def pmd_offset(self, mm: u64, address: u64) -> u64:
        """Where the pmd entry for ``address`` lies, 0 if there is no table of pmds."""
        return self.walk(mm, address, 1)

    def pmd_alloc(self, mm: u64, address: u64) -> u64:
        """As :meth:`pmd_offset`, with the tables above made; 0 without memory."""
        return self.entry_alloc(mm, address, 1)

    def entry_alloc(self, mm: u64, address: u64, level: i32) -> u64:
        """Where the entry of ``level`` lies, with the tables above made; 0 without memory."""
        memory: Memory = self.memory
        table: u64 = load(memory, mm + self.at_pgd)
        at: i32 = self.top_level
        while True:
            slot: u64 = table + 8 * ((address >> (12 + 9 * at)) & 511)
            if at == level:
                return slot
            entry: u64 = load(memory, slot)
            if entry == 0:
                table = self.pt_alloc_one(mm, address, at - 1)
                if table == 0:
                    return 0
                store(memory, slot, self.entry_of(table))
                if at - 1 <= PUDS:
                    self.count_tables(mm, at - 1, True)
            else:
                table = memory.base + (entry & PFN_MASK)
            at -= 1

    def pte_alloc(self, mm: u64, pmd: u64, address: u64) -> bint:
        """Give the pmd entry at ``pmd`` a table of ptes if it has none; False without memory."""
        if load(self.memory, pmd) != 0:
            return True
        table: u64 = self.pt_alloc_one(mm, address, 0)
        if table == 0:
            return False
        store(self.memory, pmd, self.entry_of(table))
        self.count_tables(mm, 0, True)
        return True

    def pte_free(self, mm: u64, pmd: u64) -> None:
        """Take a table of ptes away again if nothing is in it."""
        memory: Memory = self.memory
        table: u64 = self.table_of(load(memory, pmd))
        at: u64 = table
        while at < table + TABLE_BYTES:
            if load(memory, at) != 0:
                return
            at += 8
        store(self.memory, pmd, 0)
        self.count_tables(mm, 0, False)
        self.pt_free(table)

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
        entry: u64 = load(self.memory, pmd)
        if entry == 0 or entry & PSE != 0 or entry & PRESENT == 0:
            return 0
        return self.pte_offset(entry, address)

    # A table kept for the day when a huge page is split: a list that begins in the struct page
    # of the table of pmds.

    def pgtable_trans_huge_deposit(self, pmd: u64, table: u64) -> None:
        """Put a table of ptes by for the huge page whose entry lies at ``pmd``."""
        pages: Pages = self.pages
        owner: u64 = pages.pfn_to_page((pmd - self.memory.base) >> 12)
        page: u64 = pages.pfn_to_page((table - self.memory.base) >> 12)
        pages.st(page + pages.o_lru, pages.ld(owner + PMD_HUGE_PTE))
        pages.st(page + PT_PLACE, PUT_BY)
        pages.st(owner + PMD_HUGE_PTE, page)

    def pgtable_trans_huge_withdraw(self, pmd: u64, address: u64) -> u64:
        """The table that was last put by; it is to map the 2 MiB around ``address``."""
        pages: Pages = self.pages
        owner: u64 = pages.pfn_to_page((pmd - self.memory.base) >> 12)
        page: u64 = pages.ld(owner + PMD_HUGE_PTE)
        pages.st(owner + PMD_HUGE_PTE, pages.ld(page + pages.o_lru))
        pages.st(page + pages.o_lru, 0)
        self.place_table(page, address, 0)
        return self.memory.base + (pages.page_to_pfn(page) << 12)

    # Freeing.

    def free_pgd_range(self, mm: u64, addr: u64, end: u64, floor: u64, ceiling: u64) -> None:
        """Free the tables that only [addr, end) needed.

        ``floor`` and ``ceiling`` are where the neighbours end and begin (``ceiling`` 0: none
        above): a table that covers part of them stays.
        """
        addr &= ~(self.pmd_size - 1)
        if addr < floor:
            addr += self.pmd_size
        if ceiling != 0:
            ceiling &= ~(self.pmd_size - 1)
            if ceiling == 0:
                return
            if end > ceiling:
                end -= self.pmd_size
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
            entry: u64 = load(memory, slot)
            if entry != 0 and entry & PSE == 0:
                lower: u64 = memory.base + (entry & PFN_MASK)
                if level > 1:
                    self._free_range(mm, lower, level - 1, at, past, floor, ceiling)
                if level == 1 or self._table_is_free(at, past, size, floor, ceiling):
                    store(memory, slot, 0)
                    self.pt_free(lower)
                    if level - 1 <= PUDS:
                        self.count_tables(mm, level - 1, False)
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
