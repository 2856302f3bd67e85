"""Where page tables lie, what they map, and how their words are read.

The struct page of a table names its address space, and in one word its first address and level.
Of s390, two tables of ptes share a page, whose struct page has a place for each; a table further up
fills four pages; and the level of the top table is the address space's own.
"""

from __future__ import annotations

from typing import Any

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.check.entries import EntryRules
from mmtwin.check.machine_entries import X86_64, Translation
from mmtwin.space import pte_bits as p

if not cython.compiled:
    from mmtwin.check.words import was_at, word_at, word_then

HALF = declare(u64, 0xFFFFFFFF)
PFN_MASK = declare(u64, p.PFN_MASK)
NO_TABLE = declare(u64, 0xFFFFFFFFFFFFFFFF)
PT_MM = declare(u64, 0x20)
PT_PLACE = declare(u64, 0x28)
COUNTS = declare(u64, 0x30)

# s390's tables.
SECOND_PLACE = declare(u64, 0x18)
HALF_USED = declare(i32, 24)
"""Bits of ``_refcount`` from here on: which halves of a page are tables of ptes."""
HALF_BYTES = declare(u64, 2048)
HALF_ORIGIN = declare(u64, 0x000FFFFFFFFFF800)
CRST_FRAMES = declare(u64, 4)
ASCE_ORIGIN = declare(u64, 0xFFFFFFFFFFFFF000)
HIGHEST = declare(i32, 4)


class TableRules(EntryRules):
    """Tables, whichever machine's.

    ``translation`` tells how the machine's entries are read.
    """

    def __init__(self, *args: Any, translation: Translation, **options: Any) -> None:
        super().__init__(*args, **options)
        mm = self.mm_layout
        self.translation = translation
        self.translates = translation is not X86_64
        self.at_asce = mm.offset("asce") if "asce" in mm else 0
        self.at_limit = mm.offset("asce_limit") if "asce" in mm else 0

    # Tables.

    def is_table(self, pfn: u64, old: bint) -> bint:
        """Is, or was, the frame a page table?"""
        return self.counts_table(word_then(self, self.page_map + 64 * pfn + COUNTS, old))

    def counts_table(self, counts: u64) -> bint:
        """Are these the ``_mapcount`` and ``_refcount`` of a page table in use?"""
        return (counts >> self.mapcount_shift) & HALF == self.table_type and (
            counts >> self.refcount_shift
        ) & HALF != 0

    def table_page(self, table: u64) -> u64:
        """The struct page of a table."""
        return self.page_map + ((table - self.base) >> self.page_shift << 6)

    def halves(self, pfn: u64, old: bint) -> u64:
        """s390: which halves of a frame are tables of ptes, as bits; 0 if it is another table."""
        counts: u64 = word_then(self, self.page_map + 64 * pfn + COUNTS, old)
        return (counts >> self.refcount_shift >> HALF_USED) & 3

    def top_of(self, mm: u64, old: bint) -> i32:
        """The level of the top table: of s390 what is told to the processor."""
        if self.at_asce == 0:
            return self.top_level
        return ((word_then(self, mm + self.at_asce, old) >> 2) & 3) + 1

    def place_of(self, table: u64, old: bint) -> u64:
        """The first address and the level of the table that lies there; NO_TABLE if none does."""
        pfn: u64 = (table - self.base) >> self.page_shift
        if not self.is_table(pfn, old):
            return NO_TABLE
        page: u64 = self.page_map + 64 * pfn
        if self.at_asce != 0:
            used: u64 = self.halves(pfn, old)
            if table & HALF_BYTES != 0:
                return word_then(self, page + SECOND_PLACE, old) if used & 2 != 0 else NO_TABLE
            if used == 2:
                return NO_TABLE
        return word_then(self, page + PT_PLACE, old)

    def table_around(self, block: u64) -> u64:
        """The table that a block of 256 bytes lies in; 0 if it is none's."""
        pfn: u64 = block >> (self.page_shift - 8)
        if self.at_asce != 0:
            if not self.is_table(pfn, False):
                pfn &= ~(CRST_FRAMES - 1)
                if not self.is_table(pfn, False) or self.halves(pfn, False) != 0:
                    return 0
            elif self.halves(pfn, False) != 0:
                return self.base + ((block << 8) & ~(HALF_BYTES - 1))
        elif not self.is_table(pfn, False):
            return 0
        return self.base + (pfn << self.page_shift)

    def table_moved(self, table: u64) -> bint:
        """Is it another table, of another place or address space, than at the mark?"""
        page: u64 = self.table_page(table)
        return word_at(self, page + PT_MM) != was_at(self, page + PT_MM) or (
            self.place_of(table, False) != self.place_of(table, True)
        )

    def table_below(self, level: i32, entry: u64) -> u64:
        """The table that an entry leads to; 0 if that is not in memory."""
        halved: bint = level == 1 and self.at_asce != 0
        lower: u64 = self.base + (entry & (HALF_ORIGIN if halved else PFN_MASK))
        last: u64 = lower + 8 * (self.entries_of(level - 1) - 32)
        return lower if self.aligned(lower) and self.aligned(last) else 0

    def below(self, mm: u64, address: u64, level: i32, entry: u64) -> u64:
        """The table that an entry leads to, which must be one for its place; else 0."""
        table: u64 = self.table_below(level, entry)
        lower: u64 = level - 1
        if (
            table == 0
            or self.place_of(table, False) != address | lower
            or word_at(self, self.table_page(table) + PT_MM) != mm
        ):
            self.entry_fail("VM-53", mm, address, f"{entry:#x}", f"a table of level {lower}")
            return 0
        return table

    def space(self, mm: u64) -> None:
        """An address space's own fields, its top table among them."""
        EntryRules.space(self, mm)
        if self.top_level < 0:
            return
        pgd: u64 = word_at(self, mm + self.at_pgd)
        top: i32 = self.top_of(mm, False)
        wanted: u64 = top
        one: u64 = 1
        if (
            pgd < self.base
            or pgd & ((one << self.page_shift) - 1) != 0
            or (pgd - self.base) >> self.page_shift >= self.frames
            or self.place_of(pgd, False) != wanted
            or word_at(self, self.table_page(pgd) + PT_MM) != mm
        ):
            self.mm_fail("VM-48", mm, "pgd", f"{pgd:#x}", "a top table of this address space")
        elif self.at_asce != 0:
            asce: u64 = word_at(self, mm + self.at_asce)
            limit: u64 = word_at(self, mm + self.at_limit)
            if asce & ASCE_ORIGIN != pgd - self.base:
                self.mm_fail("VM-48", mm, "asce", f"{asce:#x}", f"the table at {pgd:#x}")
            reached: u64 = word_at(self, mm + self.at_task_size)
            if top < HIGHEST:
                reached = one << self.shift_of(top + 1)
            if limit != reached:
                self.mm_fail("VM-48", mm, "asce_limit", f"{limit:#x}", f"{reached:#x}")

    # The words of tables.

    def empty_of(self, level: i32) -> u64:
        """The word of a table of ``level`` that is no entry."""
        if not self.translates:
            return 0
        word: u64 = self.translation.to_machine(level, 0)
        return word

    def told(self, level: i32, raw: u64) -> u64:
        """What a word says, in the bits of ``pte_bits``."""
        if not self.translates:
            return raw
        entry: u64 = self.translation.to_twin(level, raw)
        return entry

    def read(self, mm: u64, address: u64, level: i32, raw: u64) -> u64:
        """As :meth:`told`, and the word must be the one that says so."""
        if not self.translates:
            return raw
        entry: u64 = self.translation.to_twin(level, raw)
        proper: u64 = self.translation.to_machine(level, entry)
        if proper != raw:
            self.entry_fail("VM-52", mm, address, f"{raw:#x}", f"{proper:#x}")
        return entry
