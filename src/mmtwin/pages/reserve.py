"""Mobility up to 4.3: RESERVE blocks, stealing, and the type cached in free pages.

The type of a free page is cached in ``page->index`` (*freepage migratetype*) when it goes to a
per-cpu list, and trusted when it comes back. Free chunks merge whatever the types of their blocks.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelWarning
from mmtwin.pages import layouts as c
from mmtwin.pages.pages import Pages

if not cython.compiled:
    from mmtwin.pages.words import load, store

ZONE_NR_MIGRATE_RESERVE = declare(u64, c.ZONE_NR_MIGRATE_RESERVE)


class Reserve(Pages):
    """Types, stealing, isolation and RESERVE blocks of 3.15."""

    era_name = "3.15"

    # Types.

    def gfp_migratetype(self, gfp: u64) -> i32:
        """The type of pages that the request wants."""
        movable: bint = gfp & self.gfp_movable != 0
        reclaimable: bint = gfp & self.gfp_reclaimable != 0
        if movable and reclaimable:
            raise KernelWarning(
                "MOVABLE and RECLAIMABLE asked for at once", "allocflags_to_migratetype"
            )
        if self.mobility_disabled():
            return self.mt_unmovable
        if movable:
            return self.mt_movable
        return self.mt_reclaimable if reclaimable else self.mt_unmovable

    def buddy_may_merge(self, buddy: u64, order: i32, migratetype: i32) -> bint:
        """Everything merges; a chunk of two pageblocks goes to the list of the part freed last."""
        return True

    def move_to_free_list(self, page: u64, zone: u64, order: i32, migratetype: i32) -> i32:
        """Move a chunk to the head of another type's list and cache the type; returns 0."""
        self._unlink(page, zone, order)
        self.list_add(page + self.o_lru, self._checked_list(page, zone, order, migratetype))
        return self.set_pcppage_migratetype(page, migratetype)

    # The cached type, and what the patches of April 2014 made of it.

    def label_smallest(self, page: u64, migratetype: i32) -> i32:
        """Cache the type of the list that a page was taken from; not done yet. Returns 0."""
        return 0

    def label_fallback(self, page: u64, new_type: i32) -> i32:
        """Cache the type that stealing decided on; not done yet. Returns 0."""
        return 0

    def label_refill(self, page: u64, migratetype: i32) -> i32:
        """Cache the type of a page that goes to a per-cpu list for ``migratetype``; returns it.

        That is the type asked for, wherever the page came from, but for CMA and isolated blocks.
        """
        block_type: i32 = -1
        if self.mt_cma >= 0:
            block_type = self.get_pageblock_migratetype(page)
            if block_type == self.mt_cma or block_type == self.mt_isolate:
                migratetype = block_type
        self.set_pcppage_migratetype(page, migratetype)
        return migratetype

    def removed_type(self, page: u64) -> i32:
        """As which type a chunk of more than one page is uncounted: its block's."""
        return self.get_pageblock_migratetype(page)

    def check_freepage(self, page: u64, where: str) -> i32:
        """Is a CMA or RESERVE page where it belongs? Nobody asks yet; returns 0."""
        return 0

    # Taking from the buddy lists.

    def _rmqueue_smallest(self, zone: u64, order: i32, migratetype: i32) -> u64:
        """A chunk of that order from the lists of one type, 0 if they hold none large enough."""
        current_order: i32 = order
        page: u64
        while current_order <= self.order_max:
            page = self.get_page_from_free_area(zone, current_order, migratetype)
            if page != 0:
                self.del_page_from_free_list(page, zone, current_order, migratetype)
                self.expand(zone, page, order, current_order, migratetype)
                self.label_smallest(page, migratetype)
                return page
            current_order += 1
        return 0

    def try_to_steal_freepages(self, zone: u64, page: u64, start_type: i32, other: i32) -> i32:
        """Take the rest of a chunk's block along if that pays.

        Returns the type on whose lists the unused part of the chunk goes: ``start_type`` if the
        block changed hands, else ``other``.
        """
        order: i32 = self.page_private(page)
        moved: i64
        half: i64 = self.pageblock_nr_pages // 2
        if other == self.mt_cma:
            return other
        if order >= self.pageblock_order:
            self.change_pageblock_range(page, order, start_type)
            return start_type
        if (
            order >= self.pageblock_order // 2
            or start_type == self.mt_reclaimable
            or self.mobility_disabled()
        ):
            moved = self.move_freepages_block(zone, page, start_type)
            if moved >= half or self.mobility_disabled():
                self.set_pageblock_migratetype(page, start_type)
                return start_type
        return other

    def steal_chunk(self, zone: u64, order: i32, start_type: i32) -> u64:
        """``__rmqueue_fallback``: the largest chunk of another type, split; 0 if there is none."""
        current_order: i32 = self.order_max
        nth: i32
        other: i32
        page: u64
        new_type: i32
        while current_order >= order:
            nth = 0
            other = self.fallback_type(start_type, nth)
            while other >= 0:
                page = self.get_page_from_free_area(zone, current_order, other)
                if page != 0:
                    new_type = self.try_to_steal_freepages(zone, page, start_type, other)
                    self.del_page_from_free_list(page, zone, current_order, -1)
                    self.expand(zone, page, order, current_order, new_type)
                    self.label_fallback(page, new_type)
                    if self.tracer is not None:
                        self.trace_extfrag(
                            page, order, current_order, start_type, other, new_type == start_type
                        )
                    return page
                nth += 1
                other = self.fallback_type(start_type, nth)
            current_order -= 1
        return 0

    def _rmqueue(self, zone: u64, order: i32, migratetype: i32, alloc_flags: i32) -> u64:
        """A chunk of that order: own lists, then others', at last the RESERVE; 0 if none."""
        page: u64 = self._rmqueue_smallest(zone, order, migratetype)
        if page == 0 and migratetype != self.mt_reserve:
            page = self.steal_chunk(zone, order, migratetype)
            if page == 0:
                migratetype = self.mt_reserve
                page = self._rmqueue_smallest(zone, order, migratetype)
        if page != 0 and self.tracer is not None:
            self.trace_zone_locked(page, order, migratetype)
        return page

    # Freeing.

    def account_freed(self, zone: u64, order: i32, migratetype: i32) -> i32:
        """Merging does not count; its callers do. Returns 0."""
        return 0

    def free_one_page(
        self, zone: u64, page: u64, pfn: u64, order: i32, migratetype: i32, fpi_flags: i32
    ) -> i32:
        """Free under the lock with the type that was read before it was taken; returns 0."""
        self._free_one_page(page, pfn, zone, order, migratetype, fpi_flags)
        if migratetype != self.mt_isolate:
            self.mod_zone_freepage_state(zone, 1 << order, migratetype)
        return 0

    def head_reason(self) -> str:
        """What the kernel says of a tail page that names another head."""
        return "first_page not consistent"

    # Isolation: the free pages are moved, then all cpus are drained.

    def has_unmovable_pages(self, zone: u64, page: u64, migratetype: i32) -> u64:
        """MOVABLE and CMA blocks count as movable whatever they hold; others are looked at."""
        block_type: i32 = self.get_pageblock_migratetype(page)
        if block_type == self.mt_movable or block_type == self.mt_cma:
            return 0
        return Pages.has_unmovable_pages(self, zone, page, migratetype)

    def set_migratetype_isolate(self, page: u64, migratetype: i32) -> i32:
        """Isolate the block of ``page``, then drain all cpus; 0 or -EBUSY."""
        result: i32 = Pages.set_migratetype_isolate(self, page, migratetype)
        if result == 0:
            self.drain_all_pages(0)
        return result

    def contig_alignment(self) -> u64:
        """Ranges are widened to the largest chunk, so that none straddles their ends."""
        one: u64 = 1
        return one << self.order_max

    def may_become_movable(self, migratetype: i32) -> bint:
        """Compaction turns RESERVE blocks into MOVABLE ones too, only not ISOLATE and CMA."""
        return migratetype != self.mt_isolate and migratetype != self.mt_cma

    # RESERVE blocks.

    def pageblock_is_reserved(self, start_pfn: u64, end_pfn: u64) -> bint:
        """Is any page of the block kept by boot?"""
        while start_pfn < end_pfn:
            if self.page_reserved(self.pfn_to_page(start_pfn)):
                return True
            start_pfn += 1
        return False

    def setup_zone_migrate_reserve(self, zone: u64) -> i32:
        """Have as many RESERVE blocks as the MIN mark fills, at most two; returns 0.

        They are the first MOVABLE blocks of the zone. What is on per-cpu lists, allocated, or free
        in a chunk that began in the block before is not moved.
        """
        block: u64 = self.pageblock_nr_pages
        pfn: u64 = (self.zone_start_pfn(zone) + block - 1) & ~(block - 1)
        end: u64 = self.zone_end_pfn(zone)
        need: u64 = (self.wmark_pages(zone, 0) + block - 1) >> self.pageblock_order
        if need > 2:
            need = 2
        old: u64 = load(self.memory, zone + ZONE_NR_MIGRATE_RESERVE)
        if need == old:
            return 0
        store(self.memory, zone + ZONE_NR_MIGRATE_RESERVE, need)
        page: u64
        block_type: i32
        while pfn < end:
            page = self.pfn_to_page(pfn)
            block_type = self.get_pfnblock_migratetype(pfn)
            if need > 0:
                if self.pageblock_is_reserved(pfn, pfn + block if pfn + block < end else end):
                    pfn += block
                    continue
                if block_type == self.mt_reserve or block_type == self.mt_movable:
                    need -= 1
                    if block_type == self.mt_movable:
                        self.set_pageblock_migratetype(page, self.mt_reserve)
                        self.move_freepages_block(zone, page, self.mt_reserve)
                    pfn += block
                    continue
            elif old == 0:
                break
            if block_type == self.mt_reserve:
                self.set_pageblock_migratetype(page, self.mt_movable)
                self.move_freepages_block(zone, page, self.mt_movable)
            pfn += block
        return 0
