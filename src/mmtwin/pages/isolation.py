"""Isolation: a pageblock whose free pages nobody may have, and CMA, which lends pages.

Isolated pages count neither as free nor as free CMA pages.
"""

from __future__ import annotations

import errno

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug
from mmtwin.pages import gfp as g
from mmtwin.pages import layouts as c
from mmtwin.pages.buddy import TO_TAIL
from mmtwin.pages.highatomic import Highatomic

if not cython.compiled:
    from mmtwin.pages.words import add, load

EBUSY = errno.EBUSY
ENOENT = errno.ENOENT
ALLOC_CMA = declare(i32, g.ALLOC_CMA)
FPI_TO_TAIL = declare(i32, TO_TAIL)
FPI_NONE = declare(i32, 0)
ZONE_NR_ISOLATE = declare(u64, c.ZONE_NR_ISOLATE)
ZONE_CMA_PAGES = declare(u64, c.ZONE_CMA_PAGES)
ZONE_USED = declare(u64, c.ZONE_USED)
ZONE_MANAGED = declare(u64, c.ZONE_MANAGED)
ZONE_WATERMARK = declare(u64, c.ZONE_WATERMARK)
ZONE_INDEX_MOVABLE = declare(i32, 3)
ZONE_PAGE_FLAGS = declare(u64, c.ZONE_PAGE_FLAGS)


class Isolation(Highatomic):
    """Isolating pageblocks, and single free chunks for compaction."""

    def has_isolate_pageblock(self, zone: u64) -> bint:
        """Is any block of the zone isolated?"""
        return load(self.memory, zone + ZONE_NR_ISOLATE) != 0

    def free_one_page(
        self, zone: u64, page: u64, pfn: u64, order: i32, migratetype: i32, fpi_flags: i32
    ) -> i32:
        """Take ``zone->lock`` and free; the type is read again if blocks are isolated. 0."""
        if self.has_isolate_pageblock(zone) or migratetype == self.mt_isolate:
            migratetype = self.get_pfnblock_migratetype(pfn)
        return self._free_one_page(page, pfn, zone, order, migratetype, fpi_flags)

    # Single chunks.

    def _isolate_free_page(self, page: u64, order: i32) -> u64:
        """Take a listed chunk out as if it were allocated; its pages, 0 if marks forbid it.

        A chunk of half a pageblock or more makes its blocks MOVABLE, if they can mix.
        """
        if not self.page_buddy(page):
            self.page_bug("!PageBuddy(page)", "__isolate_free_page", page)
        zone: u64 = self.page_zone(page)
        migratetype: i32 = self.get_pageblock_migratetype(page)
        one: u64 = 1
        size: i64 = one << order
        mark: i64
        if migratetype != self.mt_isolate:
            mark = load(self.memory, zone + ZONE_WATERMARK)
            if not self.zone_watermark_ok(zone, 0, mark + size, 0, ALLOC_CMA):
                return 0
            self.mod_zone_freepage_state(zone, -size, migratetype)
        self.del_page_from_free_list(page, zone, order, migratetype)
        add(self.memory, zone + ZONE_USED, size)
        if order >= self.pageblock_order - 1:
            end: u64 = page + 64 * (one << order)
            while page < end:
                migratetype = self.get_pageblock_migratetype(page)
                if self.may_become_movable(migratetype):
                    self.become_movable(zone, page, migratetype)
                page += 64 * self.pageblock_nr_pages
        return one << order

    def may_become_movable(self, migratetype: i32) -> bint:
        """Does a block of that type turn MOVABLE when compaction takes a large chunk from it?"""
        return self.migratetype_is_mergeable(migratetype)

    def become_movable(self, zone: u64, page: u64, migratetype: i32) -> i32:
        """Make the block of ``page`` MOVABLE; its free pages stay where they are. Returns 0."""
        return self.set_pageblock_migratetype(page, self.mt_movable)

    def _putback_isolated_page(self, page: u64, order: i32, migratetype: i32) -> i32:
        """Give a chunk back that ``_isolate_free_page`` took; it goes to the tail. Returns 0."""
        zone: u64 = self.page_zone(page)
        size: i64 = 1 << order
        add(self.memory, zone + ZONE_USED, -size)
        return self.free_one_page(
            zone, page, self.page_to_pfn(page), order, migratetype, FPI_TO_TAIL
        )

    def split_free_page(self, page: u64, order: i32, split_pfn_offset: u64) -> i32:
        """Split a free chunk that spans blocks of two types, each part to its own lists.

        0, or -ENOENT if the page is no free chunk of that order any more.
        """
        if split_pfn_offset == 0:
            return 0
        if not self.page_buddy(page) or self.page_private(page) != order:
            return -ENOENT
        zone: u64 = self.page_zone(page)
        pfn: u64 = self.page_to_pfn(page)
        one: u64 = 1
        end: u64 = pfn + (one << order)
        split: u64 = pfn + split_pfn_offset
        migratetype: i32 = self.get_pfnblock_migratetype(pfn)
        size: i64 = one << order
        if migratetype != self.mt_isolate:
            self.mod_zone_freepage_state(zone, -size, migratetype)
        self.del_page_from_free_list(page, zone, order, migratetype)
        piece: i32
        limit: u64
        while pfn < end:
            limit = split if pfn < split else end
            piece = 0
            while (
                piece < order
                and pfn & ((one << (piece + 1)) - 1) == 0
                and pfn + (one << (piece + 1)) <= limit
            ):
                piece += 1
            page = self.pfn_to_page(pfn)
            self.init_if_pristine(page, zone)
            self.free_one_page(zone, page, pfn, piece, self.get_pfnblock_migratetype(pfn), FPI_NONE)
            pfn += one << piece
        return 0

    def init_if_pristine(self, page: u64, zone: u64) -> i32:
        """Write the struct page of a page inside a free chunk; returns 0."""
        if self.pristine(page):
            self.init_single_page(page, load(self.memory, zone + ZONE_PAGE_FLAGS))
        return 0

    # Whole blocks.

    def has_unmovable_pages(self, zone: u64, page: u64, migratetype: i32) -> u64:
        """The first page of a block that cannot be moved away; 0 if there is none.

        ``migratetype`` is what the block is isolated for: CMA may always isolate its own.
        """
        if self.mt_cma >= 0 and self.get_pageblock_migratetype(page) == self.mt_cma:
            return 0 if migratetype == self.mt_cma else page
        pfn: u64 = self.page_to_pfn(page) & ~(self.pageblock_nr_pages - 1)
        end: u64 = pfn + self.pageblock_nr_pages
        one: u64 = 1
        self.wake(zone, pfn)
        while pfn < end:
            page = self.pfn_to_page(pfn)
            if self.page_reserved(page):
                return page
            if self.page_buddy(page):
                pfn += one << self.page_private(page)
                continue
            if (
                self.zone_idx(zone) != ZONE_INDEX_MOVABLE
                and self.page_ref_count(page) != 0
                and load(self.memory, page - self.shift) & self.flag_lru == 0
            ):
                return page
            pfn += 1
        return 0

    def set_migratetype_isolate(self, page: u64, migratetype: i32) -> i32:
        """Isolate the block of ``page``; 0, or -EBUSY if it is already or holds unmovable pages."""
        pfn: u64 = self.page_to_pfn(page)
        zone: u64 = self.zone_of_pfn(pfn)
        self.wake(zone, pfn)
        if self.is_migrate_isolate_page(page):
            return -EBUSY
        if self.has_unmovable_pages(zone, page, migratetype) != 0:
            return -EBUSY
        self.isolate_block(zone, page)
        return 0

    def isolate_block(self, zone: u64, page: u64) -> i32:
        """Make a block ISOLATE, its free pages isolated pages; returns 0."""
        old_type: i32 = self.get_pageblock_migratetype(page)
        self.set_pageblock_migratetype(page, self.mt_isolate)
        add(self.memory, zone + ZONE_NR_ISOLATE, 1)
        moved: i64 = self.move_freepages_block(zone, page, self.mt_isolate)
        return self.mod_zone_freepage_state(zone, -moved, old_type)

    def unset_migratetype_isolate(self, page: u64, migratetype: i32) -> i32:
        """Make an isolated block of that type again, its pages free; returns 0.

        A free chunk of a pageblock that could merge now is taken out and freed again.
        """
        zone: u64 = self.zone_of_pfn(self.page_to_pfn(page))
        if not self.is_migrate_isolate_page(page):
            return 0
        order: i32 = 0
        buddy: u64
        taken: bint = False
        moved: i64
        if self.page_buddy(page):
            order = self.page_private(page)
            if order >= self.pageblock_order and order < self.order_max:
                buddy = self.find_buddy_page_pfn(page, self.page_to_pfn(page), order)
                if buddy != 0 and not self.is_migrate_isolate_page(buddy):
                    taken = self._isolate_free_page(page, order) != 0
                    if not taken:
                        raise KernelBug("!isolated_page", "unset_migratetype_isolate")
        if not taken:
            moved = self.move_freepages_block(zone, page, migratetype)
            self.mod_zone_freepage_state(zone, moved, migratetype)
        self.set_pageblock_migratetype(page, migratetype)
        if taken:
            self._putback_isolated_page(page, order, migratetype)
        return add(self.memory, zone + ZONE_NR_ISOLATE, -1)

    def init_cma_reserved_pageblock(self, page: u64) -> i32:
        """Give a block that boot reserved to CMA; returns 0."""
        zone: u64 = self.page_zone(page)
        nth: u64 = 0
        while nth < self.pageblock_nr_pages:
            self.init_single_page(page + 64 * nth, load(self.memory, zone + ZONE_PAGE_FLAGS))
            nth += 1
        self.set_pageblock_migratetype(page, self.mt_cma)
        block: i64 = self.pageblock_nr_pages
        add(self.memory, zone + ZONE_MANAGED, block)
        add(self.memory, zone + ZONE_CMA_PAGES, block)
        return self.free_one_page(
            zone, page, self.page_to_pfn(page), self.pageblock_order, self.mt_cma, FPI_NONE
        )
