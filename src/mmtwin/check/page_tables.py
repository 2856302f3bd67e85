"""Page tables against VMAs, pages and counters, in all address spaces or where a step touched them.

A table's struct page is marked and names its address space, its first address and its level, so
that a changed word of a table tells which address it maps. What a step added to and took from the
tables, entry by entry, must be what the counters of address spaces and pages changed by.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.check.overlay import OF_NO_CACHE
from mmtwin.check.tables import TableRules
from mmtwin.check.violation import Violation
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p

if not cython.compiled:
    from mmtwin.check.words import has, was_at, word_at, word_changed, word_then

TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)
HALF = declare(u64, 0xFFFFFFFF)
PRESENT = declare(u64, p.PRESENT)
PSE = declare(u64, p.PSE)
VM_WRITE = declare(u64, c.VM_WRITE)
WAS_THERE = declare(i32, 0)
IS_THERE = declare(i32, 1)
LEVEL_MASK = declare(u64, 0x7FF)
FIRST_MASK = declare(u64, 0xFFFFFFFFFFFFF000)
NO_TABLE = declare(u64, 0xFFFFFFFFFFFFFFFF)
NO_CACHE = declare(u64, OF_NO_CACHE)
PUT_BY = declare(u64, 0x800)
"""Instead of a place: the table is put by for a huge page and maps nothing."""

# struct page of a table, and of a user page.
PT_MM = declare(u64, 0x20)
MAPPING_WORD = declare(u64, 3)
COUNTS_WORD = declare(u64, 6)
I_DATA = declare(u64, 376)

HALF_BYTES = declare(u64, 2048)
"""s390: two tables share a page."""

PUDS = declare(i32, 2)
TABLE_BYTES = declare(i32, 4)
LINKS = declare(i32, 6)
SPARES = declare(i32, 7)
CACHED = declare(i32, 0)


class PageTableCheck(TableRules):
    """All that :class:`SpaceCheck` judges, and page tables."""

    # Everything.

    def everything(self) -> list[Violation]:
        """Check every address space that was taken, with its page tables."""
        TableRules.everything(self)
        if self.top_level < 0:
            return self.found
        self.clear()
        nth: u64 = 0
        while nth < self.live.count:
            mm: u64 = self.live.members[nth]
            nth += 1
            if has(self.residents, mm):
                continue
            self.residents.row(mm)
            pgd: u64 = word_at(self, mm + self.at_pgd)
            if pgd != 0 and self.aligned(pgd):
                self.walk_table(mm, pgd, self.top_of(mm, False), 0)
        self.sums_of_tables()
        return self.found

    def walk_table(self, mm: u64, table: u64, level: i32, first: u64) -> None:
        """Visit every entry of a table and of the tables below."""
        one: u64 = 1
        size: u64 = one << self.shift_of(level)
        entries: u64 = self.entries_of(level)
        empty: u64 = self.empty_of(level)
        nth: u64 = 0
        while nth < entries:
            raw: u64 = word_at(self, table + 8 * nth)
            if raw != empty:
                address: u64 = first + nth * size
                entry: u64 = self.read(mm, address, level, raw)
                if entry != 0:
                    self.count_entry(mm, level, entry, 1, False)
                    lower: u64 = self.judge_word(mm, address, level, entry)
                    if lower != 0:
                        self.walk_table(mm, lower, level - 1, address)
            nth += 1

    def judge_word(self, mm: u64, address: u64, level: i32, entry: u64) -> u64:
        """Judge an entry of any level; the table that it leads to, 0 for none."""
        if self.leads(level, entry):
            return self.below(mm, address, level, entry)
        self.judge_entry(mm, address, level, entry)
        return 0

    # A step.

    def since_mark(self, mark: u64) -> list[Violation]:
        """Check what changed since ``mark``, page tables too."""
        TableRules.since_mark(self, mark)
        if self.top_level < 0:
            return self.found
        self.clear()
        nth: u64 = 0
        overlay = self.overlay
        first_map: u64 = (self.page_map - self.base) >> 8
        last_map: u64 = first_map + (self.frames >> 2)
        last_block: u64 = self.frames << (self.page_shift - 8)
        if self.at_asce != 0:
            self.tops_changed()
        while nth < overlay.count:
            block: u64 = overlay.blocks[nth]
            if first_map <= block < last_map:
                self.touched_pages(nth, block)
            elif block < last_block and overlay.caches[nth] <= NO_CACHE:
                self.touched_block(nth, block)
            nth += 1
        nth = 0
        while nth < self.live.count:
            mm: u64 = self.live.members[nth]
            if self.resident_changed(mm):
                self.residents.row(mm)
            nth += 1
        nth = 0
        while nth < self.walked.count:
            self.remade_table(self.walked.members[nth])
            nth += 1
        nth = 0
        while nth < self.areas.count:
            self.area_kept(nth, self.areas.members[nth])
            nth += 1
        nth = 0
        while nth < self.inodes.count:
            self.caches_of.row(self.inodes.members[nth])
            nth += 1
        self.sums_of_tables()
        return self.found

    def touched_block(self, nth: u64, block: u64) -> i32:
        """A block of a frame that is a table and was the same one: its changed entries."""
        table: u64 = self.table_around(block)
        if table == 0 or self.table_moved(table):
            return 0
        if self.at_asce != 0 and has(self.walked, table):
            return 0
        place: u64 = self.place_of(table, False)
        if place & PUT_BY != 0:
            return 0
        mm: u64 = word_at(self, self.table_page(table) + PT_MM)
        level: i32 = place & LEVEL_MASK
        empty: u64 = self.empty_of(level)
        one: u64 = 1
        size: u64 = one << self.shift_of(level)
        address: u64 = (place & FIRST_MASK) + size * ((self.base + (block << 8) - table) >> 3)
        word: u64 = 0
        while word < 32:
            new: u64 = self.w[32 * block + word]
            old: u64 = self.overlay.images[32 * nth + word]
            if new != old:
                if old != empty:
                    self.old_word(mm, level, old)
                if new != empty:
                    self.new_word(mm, address, level, new)
            address += size
            word += 1
        return 0

    def old_word(self, mm: u64, level: i32, raw: u64) -> None:
        """Take away from the sums what a word of a table said at the mark."""
        entry: u64 = self.told(level, raw)
        if entry != 0:
            self.count_entry(mm, level, entry, -1, True)

    def new_word(self, mm: u64, address: u64, level: i32, raw: u64) -> None:
        """Judge what a word of a table says now, and add it to the sums."""
        entry: u64 = self.read(mm, address, level, raw)
        if entry != 0:
            self.count_entry(mm, level, entry, 1, False)
            self.judge_word(mm, address, level, entry)

    def touched_pages(self, nth: u64, block: u64) -> i32:
        """Four struct pages of which words changed: tables that came or went, and user pages."""
        first: u64 = self.base + (block << 8)
        pfn: u64 = (first - self.page_map) >> 6
        last: u64 = pfn + 4
        now_at: u64 = 32 * block
        was_at: u64 = 32 * nth
        while pfn < last and pfn < self.frames:
            counts: u64 = self.w[now_at + COUNTS_WORD]
            old_counts: u64 = self.overlay.images[was_at + COUNTS_WORD]
            now: bint = self.counts_table(counts)
            was: bint = self.counts_table(old_counts)
            if now or was:
                table: u64 = self.base + (pfn << self.page_shift)
                if self.table_moved(table):
                    self.walked.row(table)
                if self.at_asce != 0 and self.table_moved(table + HALF_BYTES):
                    self.walked.row(table + HALF_BYTES)
            if not (now and was):
                mapping: u64 = self.w[now_at + MAPPING_WORD]
                old_mapping: u64 = self.overlay.images[was_at + MAPPING_WORD]
                page: u64 = self.page_map + 64 * pfn
                if counts != old_counts:
                    self.mapped.row(page)
                if not was and (counts != old_counts or mapping != old_mapping):
                    self.cached_page(page, old_counts, old_mapping, True)
                if not now and (counts != old_counts or mapping != old_mapping):
                    self.cached_page(page, counts, mapping, False)
            pfn += 1
            now_at += 8
            was_at += 8
        return 0

    def cached_page(self, page: u64, counts: u64, mapping: u64, old: bint) -> None:
        """A page in a page cache counts in its inode's ``nrpages``."""
        if (counts >> self.refcount_shift) & HALF == 0 or mapping & 7 != 0 or mapping == 0:
            return
        if mapping > I_DATA and self.is_inode(mapping - I_DATA):
            size: i64 = self.cached_size(page, old)
            self.caches_of.bump(mapping - I_DATA, CACHED, -size if old else size)

    def tops_changed(self) -> None:
        """s390: a table that is on top no longer counts in ``pgtables_bytes`` from then on."""
        nth: u64 = 0
        while nth < self.live.count:
            mm: u64 = self.live.members[nth]
            if word_changed(self.overlay, (mm + self.at_asce - self.base) >> 3):
                pgd: u64 = was_at(self, mm + self.at_pgd)
                if has(self.old_trees, mm + self.at_tree) and self.aligned(pgd):
                    self.walked.row(pgd)
            nth += 1

    def remade_table(self, table: u64) -> None:
        """A table that came, went or moved: all its entries as they were, and as they are."""
        page: u64 = self.table_page(table)
        for old in (True, False):
            place: u64 = self.place_of(table, old)
            if place == NO_TABLE:
                continue
            mm: u64 = word_then(self, page + PT_MM, old)
            level: i32 = place & LEVEL_MASK
            entries: u64 = self.entries_of(level)
            if level <= PUDS and level < self.top_of(mm, old):
                size: i64 = 8 * entries
                self.residents.bump(mm, TABLE_BYTES, -size if old else size)
            if level < self.top_of(mm, old):
                spare: bint = place & PUT_BY != 0
                self.residents.bump(mm, SPARES if spare else LINKS, 1 if old else -1)
            if place & PUT_BY == 0:
                self.remade_entries(table, mm, place & FIRST_MASK, level, old)

    def remade_entries(self, table: u64, mm: u64, first: u64, level: i32, old: bint) -> None:
        """The entries of a table, to be taken away as they were or added as they are."""
        one: u64 = 1
        size: u64 = one << self.shift_of(level)
        entries: u64 = self.entries_of(level)
        empty: u64 = self.empty_of(level)
        nth: u64 = 0
        while nth < entries:
            raw: u64 = word_then(self, table + 8 * nth, old)
            if raw == empty:
                pass
            elif old:
                self.old_word(mm, level, raw)
            else:
                self.new_word(mm, first + nth * size, level, raw)
            nth += 1

    def area_kept(self, nth: u64, vma: u64) -> i32:
        """A VMA that changed: no entries stay where it was, and those it has still suit it."""
        old_mm: u64 = was_at(self, vma + self.at_mm)
        mm: u64 = word_at(self, vma + self.at_mm)
        start: u64 = was_at(self, vma)
        end: u64 = was_at(self, vma + 8)
        first: u64 = word_at(self, vma)
        past: u64 = word_at(self, vma + 8)
        was: bint = self.areas.sum(nth, WAS_THERE) != 0
        same: bint = was and self.areas.sum(nth, IS_THERE) != 0 and mm == old_mm
        covered: bint = same and first <= start and past >= end
        if was and not covered and has(self.trees, old_mm + self.at_tree):
            self.uncovered(old_mm, start, end)
        if self.areas.sum(nth, IS_THERE) == 0 or word_at(self, mm + self.at_tables) == 0:
            return 0
        if same and first >= start and past <= end:
            if not self.replaces(vma, vma):
                self.rejudge(mm, first, past)
        elif not (self.suits(vma, first) and self.suits(vma, past - 1)):
            self.rejudge(mm, first, past)
        return 0

    def suits(self, vma: u64, address: u64) -> bint:
        """Does the VMA have what the one that covered ``address`` at the mark had?"""
        mm: u64 = word_at(self, vma + self.at_mm)
        if not has(self.old_trees, mm + self.at_tree):
            return True
        prior: u64 = self.find(mm + self.at_tree, address, True)
        return prior == 0 or not self.is_vma(prior) or self.replaces(vma, prior)

    def replaces(self, vma: u64, prior: u64) -> bint:
        """Does the VMA have what ``prior`` had at the mark, so that its entries suit it?"""
        linear: u64 = word_at(self, vma + self.at_pgoff) - (word_at(self, vma) >> self.page_shift)
        was: u64 = was_at(self, prior + self.at_pgoff) - (was_at(self, prior) >> self.page_shift)
        lost: u64 = was_at(self, prior + self.at_flags) & ~word_at(self, vma + self.at_flags)
        return (
            linear & TOP == was & TOP
            and word_at(self, vma + self.at_file) == was_at(self, prior + self.at_file)
            and word_at(self, vma + self.at_anon) == was_at(self, prior + self.at_anon)
            and lost & VM_WRITE == 0
        )

    def uncovered(self, mm: u64, start: u64, end: u64) -> None:
        """Parts of [start, end) that no VMA covers now must have no entries."""
        if word_at(self, mm + self.at_tables) == 0:
            return
        while start < end:
            entry: u64 = self.find(mm + self.at_tree, start, False)
            if self.found_last < start:
                return
            past: u64 = end
            if self.found_last < end - 1:
                past = self.found_last + 1
            if entry == 0:
                self.rejudge(mm, start, past)
            start = past

    def rejudge(self, mm: u64, start: u64, end: u64) -> None:
        """Judge every entry that maps part of [start, end)."""
        pgd: u64 = word_at(self, mm + self.at_pgd)
        if pgd != 0 and self.aligned(pgd):
            self.rejudge_table(mm, pgd, self.top_of(mm, False), 0, start, end)

    def rejudge_table(
        self, mm: u64, table: u64, level: i32, first: u64, start: u64, end: u64
    ) -> None:
        """Judge the entries of a table and those below that map part of [start, end)."""
        shift: i32 = self.shift_of(level)
        entries: u64 = self.entries_of(level)
        empty: u64 = self.empty_of(level)
        nth: u64 = (start - first) >> shift if start > first else 0
        last: u64 = (end - 1 - first) >> shift
        if last >= entries:
            last = entries - 1
        while nth <= last:
            raw: u64 = word_at(self, table + 8 * nth)
            if raw != empty:
                address: u64 = first + (nth << shift)
                entry: u64 = self.told(level, raw)
                lower: u64 = self.table_below(level, entry) if self.leads(level, entry) else 0
                if lower != 0:
                    self.rejudge_table(mm, lower, level - 1, address, start, end)
                elif entry != 0:
                    self.judge_entry(mm, address, level, entry)
            nth += 1

    def resident_changed(self, mm: u64) -> bint:
        """Did a counter of resident pages or of tables change?"""
        overlay = self.overlay
        member: u64 = 0
        while member < 4:
            if word_changed(
                overlay, (mm + self.at_rss + member * self.rss_stride - self.base) >> 3
            ):
                return True
            member += 1
        return word_changed(overlay, (mm + self.at_tables - self.base) >> 3) or (
            word_changed(overlay, (mm + self.at_usage - self.base) >> 3)
        )
