"""Page tables against VMAs, pages and counters, in all address spaces or where a step touched them.

A table's struct page is marked and names its address space, its first address and its level, so
that a changed word of a table tells which address it maps. What a step added to and took from the
tables, entry by entry, must be what the counters of address spaces and pages changed by.
"""

from __future__ import annotations

from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.check.entries import EntryRules
from mmtwin.check.space_step import SpaceCheck
from mmtwin.check.violation import Violation
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p

TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)
HALF = declare(u64, 0xFFFFFFFF)
PRESENT = declare(u64, p.PRESENT)
PSE = declare(u64, p.PSE)
PFN_MASK = declare(u64, p.PFN_MASK)
VM_WRITE = declare(u64, c.VM_WRITE)
WAS_THERE = declare(i32, 0)
IS_THERE = declare(i32, 1)
PAGE = declare(u64, 4096)

# struct page of a table, and of a user page.
PT_MM = declare(u64, 0x20)
PT_PLACE = declare(u64, 0x28)
MAPPING_WORD = declare(u64, 3)
COUNTS_WORD = declare(u64, 6)
I_DATA = declare(u64, 376)

PUDS = declare(i32, 2)
TABLES = declare(i32, 4)
CACHED = declare(i32, 0)


class PageTableCheck(EntryRules):
    """All that :class:`SpaceCheck` judges, and page tables."""

    # Everything.

    def everything(self) -> list[Violation]:
        """Check every address space that was taken, with its page tables."""
        SpaceCheck.everything(self)
        if self.top_level < 0:
            return self.found
        self.clear()
        nth: u64 = 0
        while nth < self.live.count:
            mm: u64 = self.live.address(nth)
            nth += 1
            if self.residents.has(mm):
                continue
            self.residents.row(mm)
            pgd: u64 = self.word_at(mm + self.at_pgd)
            if pgd != 0 and self.aligned(pgd):
                self.walk_table(mm, pgd, self.top_level, 0)
        self.sums_of_tables()
        return self.found

    def walk_table(self, mm: u64, table: u64, level: i32, first: u64) -> None:
        """Visit every entry of a table and of the tables below."""
        one: u64 = 1
        size: u64 = one << (12 + 9 * level)
        nth: u64 = 0
        while nth < 512:
            entry: u64 = self.word_at(table + 8 * nth)
            if entry != 0:
                address: u64 = first + nth * size
                self.count_entry(mm, level, entry, 1, False)
                self.judge_entry(mm, address, level, entry)
                if level > 0 and entry & (PSE | PRESENT) == PRESENT:
                    lower: u64 = self.base + (entry & PFN_MASK)
                    if self.aligned(lower):
                        self.walk_table(mm, lower, level - 1, address)
            nth += 1

    # A step.

    def since_mark(self, mark: u64) -> list[Violation]:
        """Check what changed since ``mark``, page tables too."""
        SpaceCheck.since_mark(self, mark)
        if self.top_level < 0:
            return self.found
        self.clear()
        nth: u64 = 0
        overlay = self.overlay
        first_map: u64 = (self.page_map - self.base) >> 8
        last_map: u64 = first_map + (self.frames >> 2)
        while nth < overlay.count:
            block: u64 = overlay.blocks[nth]
            if first_map <= block < last_map:
                self.touched_pages(nth, block)
            elif block >> 4 < self.frames:
                self.touched_block(nth, block)
            nth += 1
        nth = 0
        while nth < self.walked.count:
            self.remade_table(self.walked.address(nth))
            nth += 1
        nth = 0
        while nth < self.areas.count:
            self.area_kept(nth, self.areas.address(nth))
            nth += 1
        nth = 0
        while nth < self.live.count:
            mm: u64 = self.live.address(nth)
            if self.resident_changed(mm):
                self.residents.row(mm)
            nth += 1
        self.sums_of_tables()
        return self.found

    def touched_block(self, nth: u64, block: u64) -> None:
        """A block of a frame that is a table and was the same one: its changed entries."""
        pfn: u64 = block >> 4
        page: u64 = self.page_map + 64 * pfn
        if not self.is_table(pfn, False):
            return
        if not self.is_table(pfn, True) or self.table_moved(page):
            return
        mm: u64 = self.word_at(page + PT_MM)
        place: u64 = self.word_at(page + PT_PLACE)
        level: i32 = place & 4095
        one: u64 = 1
        size: u64 = one << (12 + 9 * level)
        address: u64 = (place & ~(PAGE - 1)) + size * 32 * (block & 15)
        word: u64 = 0
        while word < 32:
            new: u64 = self.w[32 * block + word]
            old: u64 = self.overlay.images[32 * nth + word]
            if new != old:
                if old != 0:
                    self.count_entry(mm, level, old, -1, True)
                if new != 0:
                    self.count_entry(mm, level, new, 1, False)
                    self.judge_entry(mm, address, level, new)
            address += size
            word += 1

    def table_moved(self, page: u64) -> bint:
        """Does the table map another place, or another address space, than at the mark?"""
        return self.word_at(page + PT_MM) != self.was_at(page + PT_MM) or (
            self.word_at(page + PT_PLACE) != self.was_at(page + PT_PLACE)
        )

    def touched_pages(self, nth: u64, block: u64) -> None:
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
            page: u64 = self.page_map + 64 * pfn
            if now or was:
                if now != was or self.table_moved(page):
                    self.walked.row(page)
            else:
                mapping: u64 = self.w[now_at + MAPPING_WORD]
                old_mapping: u64 = self.overlay.images[was_at + MAPPING_WORD]
                if counts != old_counts:
                    self.mapped.row(page)
                if counts != old_counts or mapping != old_mapping:
                    self.cached_page(page, old_counts, old_mapping, True)
                    self.cached_page(page, counts, mapping, False)
            pfn += 1
            now_at += 8
            was_at += 8

    def cached_page(self, page: u64, counts: u64, mapping: u64, old: bint) -> None:
        """A page in a page cache counts in its inode's ``nrpages``."""
        if (counts >> self.refcount_shift) & HALF == 0 or mapping & 7 != 0 or mapping == 0:
            return
        if mapping > I_DATA and self.is_inode(mapping - I_DATA):
            size: i64 = self.cached_size(page, old)
            self.caches_of.bump(mapping - I_DATA, CACHED, -size if old else size)

    def remade_table(self, page: u64) -> None:
        """A table that came, went or moved: all its entries as they were, and as they are."""
        pfn: u64 = (page - self.page_map) >> 6
        table: u64 = self.base + (pfn << 12)
        for old in (True, False):
            if not self.is_table(pfn, old):
                continue
            mm: u64 = self.word(page + PT_MM, old)
            place: u64 = self.word(page + PT_PLACE, old)
            level: i32 = place & 4095
            if level <= PUDS and level < self.top_level:
                self.residents.bump(mm, TABLES, -1 if old else 1)
            one: u64 = 1
            size: u64 = one << (12 + 9 * level)
            address: u64 = place & ~(PAGE - 1)
            nth: u64 = 0
            while nth < 512:
                entry: u64 = self.word(table + 8 * nth, old)
                if entry != 0:
                    self.count_entry(mm, level, entry, -1 if old else 1, old)
                    if not old:
                        self.judge_entry(mm, address, level, entry)
                address += size
                nth += 1

    def area_kept(self, nth: u64, vma: u64) -> None:
        """A VMA that changed: no entries stay where it was, and those it has still suit it."""
        old_mm: u64 = self.was_at(vma + self.at_mm)
        mm: u64 = self.word_at(vma + self.at_mm)
        start: u64 = self.was_at(vma)
        end: u64 = self.was_at(vma + 8)
        first: u64 = self.word_at(vma)
        past: u64 = self.word_at(vma + 8)
        was: bint = self.areas.sum(nth, WAS_THERE) != 0
        same: bint = was and self.areas.sum(nth, IS_THERE) != 0 and mm == old_mm
        covered: bint = same and first <= start and past >= end
        if was and not covered and self.trees.has(old_mm + self.at_tree):
            self.uncovered(old_mm, start, end)
        if self.areas.sum(nth, IS_THERE) == 0 or self.word_at(mm + self.at_tables) == 0:
            return
        if same and first >= start and past <= end:
            if not self.replaces(vma, vma):
                self.rejudge(mm, first, past)
        elif not (self.suits(vma, first) and self.suits(vma, past - 1)):
            self.rejudge(mm, first, past)

    def suits(self, vma: u64, address: u64) -> bint:
        """Does the VMA have what the one that covered ``address`` at the mark had?"""
        mm: u64 = self.word_at(vma + self.at_mm)
        if not self.old_trees.has(mm + self.at_tree):
            return True
        prior: u64 = self.find(mm + self.at_tree, address, True)
        return prior == 0 or not self.is_vma(prior) or self.replaces(vma, prior)

    def replaces(self, vma: u64, prior: u64) -> bint:
        """Does the VMA have what ``prior`` had at the mark, so that its entries suit it?"""
        linear: u64 = self.word_at(vma + self.at_pgoff) - (self.word_at(vma) >> 12)
        was: u64 = self.was_at(prior + self.at_pgoff) - (self.was_at(prior) >> 12)
        lost: u64 = self.was_at(prior + self.at_flags) & ~self.word_at(vma + self.at_flags)
        return (
            linear & TOP == was & TOP
            and self.word_at(vma + self.at_file) == self.was_at(prior + self.at_file)
            and self.word_at(vma + self.at_anon) == self.was_at(prior + self.at_anon)
            and lost & VM_WRITE == 0
        )

    def uncovered(self, mm: u64, start: u64, end: u64) -> None:
        """Parts of [start, end) that no VMA covers now must have no entries."""
        if self.word_at(mm + self.at_tables) == 0:
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
        pgd: u64 = self.word_at(mm + self.at_pgd)
        if pgd != 0 and self.aligned(pgd):
            self.rejudge_table(mm, pgd, self.top_level, 0, start, end)

    def rejudge_table(
        self, mm: u64, table: u64, level: i32, first: u64, start: u64, end: u64
    ) -> None:
        """Judge the entries of a table and those below that map part of [start, end)."""
        one: u64 = 1
        shift: i32 = 12 + 9 * level
        nth: u64 = (start - first) >> shift if start > first else 0
        while nth < 512 and first + (nth << shift) < end:
            entry: u64 = self.word_at(table + 8 * nth)
            address: u64 = first + (nth << shift)
            if entry != 0:
                if level == 0 or entry & (PSE | PRESENT) != PRESENT:
                    self.judge_entry(mm, address, level, entry)
                elif self.aligned(self.base + (entry & PFN_MASK)):
                    lower: u64 = self.base + (entry & PFN_MASK)
                    self.rejudge_table(mm, lower, level - 1, address, start, end)
            nth += one

    def resident_changed(self, mm: u64) -> bint:
        """Did a counter of resident pages or of tables change?"""
        overlay = self.overlay
        member: u64 = 0
        while member < 4:
            if overlay.changed((mm + self.at_rss + member * self.rss_stride - self.base) >> 3):
                return True
            member += 1
        return overlay.changed((mm + self.at_tables - self.base) >> 3) or (
            overlay.changed((mm + self.at_usage - self.base) >> 3)
        )
