"""Ranges of pageblocks: isolating them, and allocating all their pages at once (CMA, hotplug)."""

from __future__ import annotations

import errno

from cython import bint
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug
from mmtwin.pages.swap_in import SwapIn

EBUSY = errno.EBUSY
MIGRATE_TRIES = 5


class Contig(SwapIn):
    """Isolation of ranges as in 6.1: chunks that straddle the ends are split there."""

    def contig_alignment(self) -> u64:
        """Ranges are widened to multiples of so many pages."""
        return self.pageblock_nr_pages

    def isolate_single_pageblock(
        self, boundary_pfn: u64, before: bint, isolated: bint, migratetype: i32
    ) -> i32:
        """Isolate the block before (or after) a boundary and split what straddles it; 0 or -EBUSY.

        ``isolated`` says that the block is isolated already.
        """
        block: u64 = self.pageblock_nr_pages
        if boundary_pfn & (block - 1) != 0:
            raise KernelBug("!pageblock_aligned(boundary_pfn)", "isolate_single_pageblock")
        pfn: u64 = boundary_pfn - block if before else boundary_pfn
        zone: u64 = self.zone_of_pfn(pfn)
        result: i32
        order: i32
        page: u64
        one: u64 = 1
        if not isolated:
            result = self.set_migratetype_isolate(self.pfn_to_page(pfn), migratetype)
            if result != 0:
                return result
        if not self.zone_spans_pfn(zone, boundary_pfn) or not self.zone_spans_pfn(
            zone, boundary_pfn - 1
        ):
            return 0
        pfn = (pfn >> self.order_max) << self.order_max
        if pfn < self.zone_start_pfn(zone):
            pfn = self.zone_start_pfn(zone)
        self.wake(zone, pfn)
        while pfn < boundary_pfn:
            page = self.pfn_to_page(pfn)
            if self.page_buddy(page):
                order = self.page_private(page)
                if pfn + (one << order) > boundary_pfn:
                    self.split_free_page(page, order, boundary_pfn - pfn)
                    if self.page_buddy(page) and self.page_private(page) == order:
                        # The parts have merged: the kernel would split them for ever.
                        raise KernelBug("soft lockup", "isolate_single_pageblock")
                    continue
                pfn += one << order
                continue
            order = self.compound_order(page)
            if pfn + (one << order) > boundary_pfn:
                if not isolated:
                    at: u64 = boundary_pfn - block if before else boundary_pfn
                    self.unset_migratetype_isolate(self.pfn_to_page(at), migratetype)
                return -EBUSY
            pfn += one << order
        return 0

    def start_isolate_page_range(self, start_pfn: u64, end_pfn: u64, migratetype: i32) -> i32:
        """Isolate the blocks that hold ``start_pfn`` up to ``end_pfn`` (exclusive); 0 or -EBUSY.

        ``migratetype`` is what the blocks are if it fails. Nothing stays isolated then.
        """
        block: u64 = self.pageblock_nr_pages
        start: u64 = start_pfn & ~(block - 1)
        end: u64 = (end_pfn + block - 1) & ~(block - 1)
        pfn: u64 = start + block
        result: i32 = self.isolate_single_pageblock(start, False, False, migratetype)
        if result != 0:
            return result
        result = self.isolate_single_pageblock(end, True, end - start == block, migratetype)
        if result != 0:
            self.unset_migratetype_isolate(self.pfn_to_page(start), migratetype)
            return result
        while pfn + block < end:
            result = self.set_migratetype_isolate(self.pfn_to_page(pfn), migratetype)
            if result != 0:
                self.undo_isolate_page_range(start, pfn, migratetype)
                self.unset_migratetype_isolate(self.pfn_to_page(end - block), migratetype)
                return result
            pfn += block
        return 0

    def undo_isolate_page_range(self, start_pfn: u64, end_pfn: u64, migratetype: i32) -> i32:
        """Make the isolated blocks of a range of that type again; returns 0."""
        block: u64 = self.pageblock_nr_pages
        pfn: u64 = start_pfn & ~(block - 1)
        while pfn < end_pfn:
            self.unset_migratetype_isolate(self.pfn_to_page(pfn), migratetype)
            pfn += block
        return 0

    def outer_start(self, pfn: u64) -> u64:
        """The frame of the free chunk that holds ``pfn``; ``pfn`` itself if none does."""
        order: i32 = 0
        head: u64
        one: u64 = 1
        while order <= self.order_max:
            head = (pfn >> order) << order
            if self.page_buddy(self.pfn_to_page(head)):
                if head + (one << self.page_private(self.pfn_to_page(head))) > pfn:
                    return head
                return pfn
            order += 1
        return pfn

    def test_pages_isolated(self, start_pfn: u64, end_pfn: u64) -> bint:
        """Are all pages of a range free?"""
        pfn: u64 = self.outer_start(start_pfn)
        one: u64 = 1
        while pfn < end_pfn:
            if not self.page_buddy(self.pfn_to_page(pfn)):
                return False
            pfn += one << self.page_private(self.pfn_to_page(pfn))
        return True

    def alloc_contig_range(self, start_pfn: u64, end_pfn: u64, migratetype: i32) -> i32:
        """Allocate exactly the frames ``start_pfn`` up to ``end_pfn`` (exclusive); 0 or -EBUSY.

        Each page comes with a reference of its own. ``migratetype`` is the blocks' type, CMA or
        MOVABLE, which they have again afterwards.
        """
        align: u64 = self.contig_alignment()
        first: u64 = start_pfn & ~(align - 1)
        last: u64 = (end_pfn + align - 1) & ~(align - 1)
        result: i32 = self.start_isolate_page_range(first, last, migratetype)
        if result != 0:
            return result
        self.drain_all_pages(0)
        result = -EBUSY
        if self.alloc_contig_migrate_range(start_pfn, end_pfn):
            self.drain_all_pages(0)
            if self.test_pages_isolated(start_pfn, end_pfn):
                self.grab_isolated(start_pfn, end_pfn)
                result = 0
        self.undo_isolate_page_range(first, last, migratetype)
        return result

    def alloc_contig_migrate_range(self, start_pfn: int, end_pfn: int) -> bool:
        """Move the pages of a range that are on the LRU lists elsewhere; False if some stay.

        Clean pages of files are dropped instead. Pages that are on no list stay as well: the test
        that follows sees them.
        """
        node = self.zone_to_nid(self.zone_of_pfn(start_pfn))
        head = self.private_list(node, "contig")
        for _ in range(MIGRATE_TRIES):
            pfn = start_pfn
            while pfn < end_pfn:
                page = self.pfn_to_page(pfn)
                order = self.free_chunk_order(pfn)
                if order < 0 and not self.page_head(page):
                    self.isolate_for_migration(page, head)
                pfn += 1 << max(order, self.compound_order(page))
            if self.list_empty(head):
                return True
            self.reclaim_clean_pages_from_list(head, node)
            self.migrate_pages(head, lambda page: self._migration_target(node), self.put_new_page)
            if self.list_empty(head):
                return True
            self.putback_movable_pages(head)
        return False

    def _migration_target(self, node: int) -> int:
        gfp = self.era.gfp.value("GFP_USER") | self.gfp_movable | self.gfp_retry_mayfail
        return self.alloc_pages(gfp | self.gfp_nowarn, 0, node)

    def put_new_page(self, page: int) -> None:
        """A page that nothing was moved to is free again."""
        self.put_page(page)

    def grab_isolated(self, start_pfn: u64, end_pfn: u64) -> i32:
        """Take the free chunks of an isolated range, and give back what lies outside; returns 0."""
        pfn: u64 = self.outer_start(start_pfn)
        zone: u64 = self.zone_of_pfn(start_pfn)
        one: u64 = 1
        order: i32
        page: u64
        nth: u64
        size: i64
        while pfn < end_pfn:
            page = self.pfn_to_page(pfn)
            order = self.page_private(page)
            self._isolate_free_page(page, order)
            self.check_new_pages(page, order, zone)
            nth = 0
            while nth < (one << order):
                self.set_page_refcounted(page + 64 * nth)
                nth += 1
            nth = 0
            while nth < (one << order):
                if pfn + nth < start_pfn or pfn + nth >= end_pfn:
                    self.free_pages(page + 64 * nth, 0)
                nth += 1
            size = one << order
            pfn += size
        return 0

    def free_contig_range(self, start_pfn: u64, nr_pages: u64) -> i32:
        """Free pages one by one; returns 0."""
        nth: u64 = 0
        while nth < nr_pages:
            self.free_pages(self.pfn_to_page(start_pfn + nth), 0)
            nth += 1
        return 0
