"""Fallback: what a request takes when the lists of its own type are empty.

The rules of 4.12 to 6.x: the largest chunk of another type is moved to the own lists, with the
rest of its pageblock if that pays, and the block changes its type if most of it is free or alike.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug
from mmtwin.pages import gfp as g
from mmtwin.pages import layouts as c
from mmtwin.pages.watermark import Watermarks

if not cython.compiled:
    from mmtwin.pages.words import load, store

ALLOC_CMA = declare(i32, g.ALLOC_CMA)
ALLOC_NOFRAGMENT = declare(i32, g.ALLOC_NOFRAGMENT)
ALLOC_KSWAPD = declare(i32, g.ALLOC_KSWAPD)
ZONE_NR_FREE_PAGES = declare(u64, c.ZONE_NR_FREE_PAGES)
ZONE_NR_FREE_CMA = declare(u64, c.ZONE_NR_FREE_CMA)
ZONE_WATERMARK_HIGH = declare(u64, c.ZONE_WATERMARK + 16)
ZONE_BOOST = declare(u64, c.ZONE_BOOST)
ZONE_FLAGS = declare(u64, c.ZONE_FLAGS)
BOOSTED_WATERMARK = declare(u64, c.BOOSTED_WATERMARK)
SYSCTL_BOOST = declare(u64, c.SYSCTL_WATERMARK_BOOST)


class Fallback(Watermarks):
    """Stealing pages and whole pageblocks from other types."""

    def fallback_type(self, migratetype: i32, nth: i32) -> i32:
        """The ``nth`` type from which that type may steal; -1 after the last."""
        table = self.types.fallbacks
        if migratetype < 0 or migratetype >= len(table) or nth >= len(table[migratetype]):
            return -1
        return table[migratetype][nth]

    # Moving the free pages of a block.

    def move_freepages(self, zone: u64, start_pfn: u64, end_pfn: u64, migratetype: i32) -> i64:
        """Move the free chunks that begin in ``start_pfn..end_pfn`` (inclusive) to a type's lists.

        Returns the pages moved, and leaves in ``movable_pages`` how many used pages were movable.
        """
        moved: i64 = 0
        pfn: u64 = start_pfn
        page: u64
        order: i32
        one: u64 = 1
        self.movable_pages = 0
        self.wake(zone, start_pfn)
        while pfn <= end_pfn:
            page = self.pfn_to_page(pfn)
            if not self.page_buddy(page):
                if load(self.memory, page - self.shift) & self.flag_lru != 0:
                    self.movable_pages += 1
                pfn += 1
                continue
            if self.page_zone(page) != zone:
                self.page_bug("page_zone(page) != zone", "move_freepages", page)
            order = self.page_private(page)
            self.move_to_free_list(page, zone, order, migratetype)
            moved += one << order
            pfn += one << order
        return moved

    def move_freepages_block(self, zone: u64, page: u64, migratetype: i32) -> i64:
        """Move the free pages of the block of ``page``; 0 if the block reaches out of the zone."""
        pfn: u64 = self.page_to_pfn(page)
        start_pfn: u64 = pfn & ~(self.pageblock_nr_pages - 1)
        end_pfn: u64 = start_pfn + self.pageblock_nr_pages - 1
        self.movable_pages = 0
        if not self.zone_spans_pfn(zone, start_pfn):
            start_pfn = pfn
        if not self.zone_spans_pfn(zone, end_pfn):
            return 0
        return self.move_freepages(zone, start_pfn, end_pfn, migratetype)

    def change_pageblock_range(self, page: u64, order: i32, migratetype: i32) -> i32:
        """Make all blocks of a chunk of at least a pageblock of one type; returns 0."""
        blocks: i32 = 1 << (order - self.pageblock_order)
        while blocks > 0:
            self.set_pageblock_migratetype(page, migratetype)
            page += 64 * self.pageblock_nr_pages
            blocks -= 1
        return 0

    # Stealing.

    def can_steal_fallback(self, order: i32, start_type: i32) -> bint:
        """May a request of ``start_type`` take the rest of the block of such a chunk as well?"""
        if order >= self.pageblock_order or order >= self.pageblock_order // 2:
            return True
        if start_type == self.mt_reclaimable or start_type == self.mt_unmovable:
            return True
        return self.mobility_disabled()

    def boost_watermark(self, zone: u64) -> bint:
        """Raise the marks for a while, for a block now holds pages of two types."""
        memory = self.memory
        factor: u64 = load(memory, self.sysctl + SYSCTL_BOOST)
        if factor == 0 or self.pageblock_nr_pages * 4 > self.managed_pages(zone):
            return False
        most: u64 = load(memory, zone + ZONE_WATERMARK_HIGH) * factor // 10000
        if most == 0:
            return False
        if most < self.pageblock_nr_pages:
            most = self.pageblock_nr_pages
        boost: u64 = load(memory, zone + ZONE_BOOST) + self.pageblock_nr_pages
        store(memory, zone + ZONE_BOOST, boost if boost < most else most)
        return True

    def steal_suitable_fallback(
        self, zone: u64, page: u64, alloc_flags: i32, start_type: i32, whole_block: bint
    ) -> i32:
        """Move a free chunk, or all free pages of its block, to the lists of ``start_type``.

        Returns 0. The block becomes of that type if at least half of it is free or alike.
        """
        order: i32 = self.page_private(page)
        old_type: i32 = self.get_pageblock_migratetype(page)
        moved: i64
        alike: i64
        if old_type == self.mt_highatomic:
            return self.move_to_free_list(page, zone, order, start_type)
        if order >= self.pageblock_order:
            self.change_pageblock_range(page, order, start_type)
            return self.move_to_free_list(page, zone, order, start_type)
        if self.boost_watermark(zone) and alloc_flags & ALLOC_KSWAPD != 0:
            flags: u64 = load(self.memory, zone + ZONE_FLAGS)
            store(self.memory, zone + ZONE_FLAGS, flags | BOOSTED_WATERMARK)
        if not whole_block:
            return self.move_to_free_list(page, zone, order, start_type)
        moved = self.move_freepages_block(zone, page, start_type)
        alike = self.alike_pages(old_type, start_type, moved)
        if moved == 0:
            return self.move_to_free_list(page, zone, order, start_type)
        if moved + alike >= 1 << (self.pageblock_order - 1) or self.mobility_disabled():
            self.set_pageblock_migratetype(page, start_type)
        return 0

    def alike_pages(self, old_type: i32, start_type: i32, free: i64) -> i64:
        """Used pages of a block that suit ``start_type``, of ``free`` free and the movable ones."""
        movable: i64 = self.movable_pages
        block: i64 = self.pageblock_nr_pages
        if start_type == self.mt_movable:
            return movable
        if old_type == self.mt_movable:
            return block - (free + movable)
        return 0

    def find_suitable_fallback(self, zone: u64, order: i32, migratetype: i32) -> i32:
        """The first type to steal a chunk of that order from; -1 if there is none.

        ``can_steal`` says then whether the rest of the block may go along.
        """
        nth: i32 = 0
        other: i32
        self.can_steal = False
        if self.nr_free(zone, order) == 0:
            return -1
        while True:
            other = self.fallback_type(migratetype, nth)
            if other < 0:
                return -1
            if not self.list_empty(self.free_list(zone, order, other)):
                self.can_steal = self.can_steal_fallback(order, migratetype)
                return other
            nth += 1

    def _rmqueue_fallback(self, zone: u64, order: i32, start_type: i32, alloc_flags: i32) -> bint:
        """Bring pages of another type to the lists of ``start_type``; True if there were any."""
        least: i32 = order
        current_order: i32 = self.order_max
        other: i32 = -1
        if order < self.pageblock_order and alloc_flags & ALLOC_NOFRAGMENT != 0:
            least = self.pageblock_order
        while current_order >= least:
            other = self.find_suitable_fallback(zone, current_order, start_type)
            if other >= 0:
                break
            current_order -= 1
        if other < 0:
            return False
        if not self.can_steal and start_type == self.mt_movable and current_order > order:
            # The block stays mixed in any case: then take the smallest chunk.
            current_order = order
            while current_order <= self.order_max:
                other = self.find_suitable_fallback(zone, current_order, start_type)
                if other >= 0:
                    break
                current_order += 1
            if current_order > self.order_max:
                raise KernelBug("current_order == MAX_ORDER", "__rmqueue_fallback")
        page: u64 = self.get_page_from_free_area(zone, current_order, other)
        self.steal_suitable_fallback(zone, page, alloc_flags, start_type, self.can_steal)
        if self.tracer is not None:
            owned = self.get_pageblock_migratetype(page) == start_type
            self.trace_extfrag(page, order, current_order, start_type, other, owned)
        return True

    def trace_extfrag(
        self, page: u64, order: i32, fallback_order: i32, start_type: i32, other: i32, owned: bint
    ) -> i32:
        """Emit ``mm_page_alloc_extfrag``; returns 0."""
        if self.tracer is not None:
            self.tracer(
                "mm_page_alloc_extfrag",
                page=page,
                pfn=self.page_to_pfn(page),
                alloc_order=order,
                fallback_order=fallback_order,
                pageblock_order=self.pageblock_order,
                alloc_migratetype=start_type,
                fallback_migratetype=other,
                fragmenting=int(fallback_order < self.pageblock_order),
                change_ownership=int(owned),
            )
        return 0

    def _rmqueue_cma_fallback(self, zone: u64, order: i32) -> u64:
        """A chunk from the CMA lists, 0 if there is none or this kernel has no CMA."""
        if self.mt_cma < 0:
            return 0
        return self._rmqueue_smallest(zone, order, self.mt_cma)

    def _rmqueue(self, zone: u64, order: i32, migratetype: i32, alloc_flags: i32) -> u64:
        """A chunk of that order for that type, under ``zone->lock``; 0 if there is none.

        CMA comes first when more than half of the zone's free pages are CMA's.
        """
        page: u64
        if alloc_flags & ALLOC_CMA != 0 and self.mt_cma >= 0:
            free: u64 = load(self.memory, zone + ZONE_NR_FREE_PAGES)
            if load(self.memory, zone + ZONE_NR_FREE_CMA) > free // 2:
                page = self._rmqueue_cma_fallback(zone, order)
                if page != 0:
                    return page
        while True:
            page = self._rmqueue_smallest(zone, order, migratetype)
            if page != 0:
                return page
            if alloc_flags & ALLOC_CMA != 0:
                page = self._rmqueue_cma_fallback(zone, order)
                if page != 0:
                    return page
            if not self._rmqueue_fallback(zone, order, migratetype, alloc_flags):
                return 0
