"""The page allocator of Linux 6.18, where it differs: lists and block types never disagree.

Free pages carry no type of their own any more (17edeb5d3f76, 6.10): what counts is the block's
type, read under the lock. Isolation is a bit beside the type. A fallback either claims a block or
steals one chunk, and leaves the rest where it was.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelWarning
from mmtwin.pages import gfp as g
from mmtwin.pages import layouts as c
from mmtwin.pages.bug import PageWarning
from mmtwin.pages.compaction import COMPACT_SKIPPED, COMPACT_SUCCESS
from mmtwin.pages.gfp_request import PF_MEMALLOC
from mmtwin.pages.pages import Pages
from mmtwin.pages.slowpath import COSTLY, MAX_COMPACT_RETRIES, Attempt

if not cython.compiled:
    from mmtwin.pages.words import add, load, store

ALLOC_CMA = declare(i32, g.ALLOC_CMA)
ALLOC_NOFRAGMENT = declare(i32, g.ALLOC_NOFRAGMENT)
ALLOC_RESERVES = declare(i32, g.ALLOC_RESERVES)
ALLOC_KSWAPD = declare(i32, g.ALLOC_KSWAPD)
ISOLATE_BIT = declare(u64, 16)
TYPE_MASK = declare(u64, 7)
TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)
FPI_NONE = declare(i32, 0)
ZONE_NR_FREE_PAGES = declare(u64, c.ZONE_NR_FREE_PAGES)
ZONE_NR_FREE_CMA = declare(u64, c.ZONE_NR_FREE_CMA)
ZONE_NR_FREE_HIGHATOMIC = declare(u64, c.ZONE_NR_FREE_HIGHATOMIC)
ZONE_NR_ISOLATE = declare(u64, c.ZONE_NR_ISOLATE)
ZONE_NR_RESERVED_HIGHATOMIC = declare(u64, c.ZONE_NR_RESERVED_HIGHATOMIC)
ZONE_FLAGS = declare(u64, c.ZONE_FLAGS)
BOOSTED_WATERMARK = declare(u64, c.BOOSTED_WATERMARK)


class Pages618(Pages):
    """Linux 6.18's page allocator; a chunk is always on the list of its blocks' type."""

    era_name = "6.18"

    # Block types.

    def get_pfnblock_migratetype(self, pfn: u64) -> i32:
        """The type of the block of ``pfn``; ISOLATE if its isolate bit is set."""
        flags: u64 = self.get_pfnblock_flags(pfn)
        if flags & ISOLATE_BIT != 0:
            return self.mt_isolate
        return flags & TYPE_MASK

    def set_pageblock_isolate(self, page: u64, isolated: bint) -> i32:
        """Set or clear the isolate bit of the block of ``page``; returns 0."""
        bits: u64 = ISOLATE_BIT if isolated else 0
        return self.set_pfnblock_flags_mask(self.page_to_pfn(page), bits, ISOLATE_BIT)

    # Lists: what is put, moved or taken must be of the list's type.

    def check_list_type(self, page: u64, order: i32, migratetype: i32) -> i32:
        """``VM_WARN_ONCE``: the block's type is the list's; returns 0."""
        block_type: i32 = self.get_pageblock_migratetype(page)
        if self.debug_vm and block_type != migratetype:
            raise PageWarning(
                f"page type is {block_type}, passed migratetype is {migratetype} (nr={1 << order})",
                "free list",
                page,
                self.page_to_pfn(page),
            )
        return 0

    def add_to_free_list(self, page: u64, zone: u64, order: i32, migratetype: i32) -> i32:
        """Put a chunk at the head of its list; returns 0."""
        self.check_list_type(page, order, migratetype)
        return Pages.add_to_free_list(self, page, zone, order, migratetype)

    def add_to_free_list_tail(self, page: u64, zone: u64, order: i32, migratetype: i32) -> i32:
        """Put a chunk at the end of its list; returns 0."""
        self.check_list_type(page, order, migratetype)
        return Pages.add_to_free_list_tail(self, page, zone, order, migratetype)

    def del_page_from_free_list(self, page: u64, zone: u64, order: i32, migratetype: i32) -> i32:
        """Take a chunk off its list and unmark it; returns 0."""
        if migratetype >= 0:
            self.check_list_type(page, order, migratetype)
        return Pages.del_page_from_free_list(self, page, zone, order, migratetype)

    def mod_zone_freepage_state(self, zone: u64, delta: i64, migratetype: i32) -> i32:
        """``account_freepages``: isolated pages do not count; HIGHATOMIC ones are counted apart."""
        if migratetype == self.mt_isolate:
            return 0
        if migratetype == self.mt_highatomic:
            add(self.memory, zone + ZONE_NR_FREE_HIGHATOMIC, delta)
        return Pages.mod_zone_freepage_state(self, zone, delta, migratetype)

    # Merging and splitting.

    def buddy_may_merge(self, buddy: u64, order: i32, migratetype: i32) -> bint:
        """Types that mix merge, and the swallowed blocks become of the freed type.

        All of them: the blocks of a large buddy beyond the first were forgotten before
        7838a4eb8a1d.
        """
        buddy_type: i32 = self.get_pageblock_migratetype(buddy)
        if migratetype == buddy_type:
            return True
        if not (
            self.migratetype_is_mergeable(migratetype) and self.migratetype_is_mergeable(buddy_type)
        ):
            return False
        self.retype_merged(buddy, order, migratetype)
        return True

    def retype_merged(self, buddy: u64, order: i32, migratetype: i32) -> i32:
        """Make all blocks of a swallowed buddy of the freed type; returns 0."""
        return self.change_pageblock_range(buddy, order, migratetype)

    def free_one_page(
        self, zone: u64, page: u64, pfn: u64, order: i32, migratetype: i32, fpi_flags: i32
    ) -> i32:
        """Free under the lock by the block's type now, block by block if it is larger (0)."""
        piece: i32 = order if order < self.pageblock_order else self.pageblock_order
        one: u64 = 1
        end: u64 = pfn + (one << order)
        while pfn < end:
            page = self.pfn_to_page(pfn)
            self.init_if_pristine(page, zone)
            self._free_one_page(
                page, pfn, zone, piece, self.get_pfnblock_migratetype(pfn), fpi_flags
            )
            pfn += one << piece
        return 0

    def drained_type(self, page: u64, cached: i32, isolated: bint) -> i32:
        """To which list a drained page goes: its block's type now."""
        return self.get_pageblock_migratetype(page)

    def untracked_type(self, migratetype: i32, pcptype: i32) -> i32:
        """Freeing reads the type again."""
        return migratetype

    # Fallback.

    def should_try_claim_block(self, order: i32, start_type: i32) -> bint:
        """Is a chunk of that order reason to claim its block?"""
        if order >= self.pageblock_order or order >= self.pageblock_order // 2:
            return True
        if start_type == self.mt_reclaimable or start_type == self.mt_unmovable:
            return True
        return self.mobility_disabled()

    def block_range(self, zone: u64, pfn: u64) -> u64:
        """The first frame of a block that lies in the zone as a whole; ~0 if it does not."""
        start: u64 = pfn & ~(self.pageblock_nr_pages - 1)
        end: u64 = start + self.pageblock_nr_pages - 1
        if self.zone_spans_pfn(zone, start) and self.zone_spans_pfn(zone, end):
            return start
        return TOP

    def count_free(self, zone: u64, start_pfn: u64) -> i64:
        """Free pages of a block; how many used ones are movable is left in ``movable_pages``."""
        pfn: u64 = start_pfn
        end: u64 = start_pfn + self.pageblock_nr_pages
        free: i64 = 0
        page: u64
        one: u64 = 1
        self.movable_pages = 0
        self.wake(zone, start_pfn)
        while pfn < end:
            page = self.pfn_to_page(pfn)
            if self.page_buddy(page):
                free += one << self.page_private(page)
                pfn += one << self.page_private(page)
                continue
            if load(self.memory, page - self.shift) & self.flag_lru != 0:
                self.movable_pages += 1
            pfn += 1
        return free

    def move_block(self, zone: u64, start_pfn: u64, old_type: i32, new_type: i32) -> i64:
        """Move a block's free pages between two types' lists and retype it; the pages moved."""
        self.set_pageblock_migratetype(self.pfn_to_page(start_pfn), new_type)
        moved: i64 = self.move_freepages(
            zone, start_pfn, start_pfn + self.pageblock_nr_pages - 1, new_type
        )
        self.mod_zone_freepage_state(zone, -moved, old_type)
        self.mod_zone_freepage_state(zone, moved, new_type)
        return moved

    def try_to_claim_block(
        self, zone: u64, page: u64, order: i32, start_type: i32, alloc_flags: i32
    ) -> u64:
        """Take a block over and hand a chunk of it out, if it is mostly free or alike; 0 if not.

        ``order`` is the order asked for.
        """
        chunk_order: i32 = self.page_private(page)
        old_type: i32 = self.get_pageblock_migratetype(page)
        pfn: u64 = self.page_to_pfn(page)
        size: i64 = 1 << chunk_order
        start: u64
        free: i64
        if chunk_order >= self.pageblock_order:
            self.del_page_from_free_list(page, zone, chunk_order, old_type)
            self.change_pageblock_range(page, chunk_order, start_type)
            self.expand(zone, page, order, chunk_order, start_type)
            self.mod_zone_freepage_state(zone, -size, old_type)
            self.mod_zone_freepage_state(zone, size, start_type)
            self.set_pcppage_migratetype(page, start_type)
            return page
        if self.boost_watermark(zone) and alloc_flags & ALLOC_KSWAPD != 0:
            flags: u64 = load(self.memory, zone + ZONE_FLAGS)
            store(self.memory, zone + ZONE_FLAGS, flags | BOOSTED_WATERMARK)
        start = self.block_range(zone, pfn)
        if start > pfn:
            return 0
        free = self.count_free(zone, start)
        if (
            free + self.alike_pages(old_type, start_type, free) >= 1 << (self.pageblock_order - 1)
            or self.mobility_disabled()
        ):
            self.move_block(zone, start, old_type, start_type)
            return self._rmqueue_smallest(zone, order, start_type)
        return 0

    def _rmqueue_claim(self, zone: u64, order: i32, start_type: i32, alloc_flags: i32) -> u64:
        """A chunk of a claimed block, the largest first; 0 if none can be claimed."""
        least: i32 = order
        current_order: i32 = self.order_max
        other: i32
        page: u64
        if order < self.pageblock_order and alloc_flags & ALLOC_NOFRAGMENT != 0:
            least = self.pageblock_order
        while current_order >= least:
            if not self.should_try_claim_block(current_order, start_type):
                return 0
            other = self.find_suitable_fallback(zone, current_order, start_type)
            if other >= 0:
                page = self.get_page_from_free_area(zone, current_order, other)
                page = self.try_to_claim_block(zone, page, order, start_type, alloc_flags)
                if page != 0:
                    if self.tracer is not None:
                        self.trace_extfrag(page, order, current_order, start_type, other, True)
                    return page
            current_order -= 1
        return 0

    def _rmqueue_steal(self, zone: u64, order: i32, start_type: i32) -> u64:
        """One chunk of another type, the smallest; the rest of it stays where it was. 0 if none."""
        current_order: i32 = order
        other: i32
        page: u64
        while current_order <= self.order_max:
            other = self.find_suitable_fallback(zone, current_order, start_type)
            if other >= 0:
                page = self.get_page_from_free_area(zone, current_order, other)
                self.del_page_from_free_list(page, zone, current_order, other)
                self.expand(zone, page, order, current_order, other)
                self.set_pcppage_migratetype(page, other)
                if self.tracer is not None:
                    self.trace_extfrag(page, order, current_order, start_type, other, False)
                return page
            current_order += 1
        return 0

    def _rmqueue(self, zone: u64, order: i32, migratetype: i32, alloc_flags: i32) -> u64:
        """A chunk of that order: own lists, CMA, a claimed block, at last a stolen chunk; or 0."""
        page: u64
        free: u64 = load(self.memory, zone + ZONE_NR_FREE_PAGES)
        if alloc_flags & ALLOC_CMA != 0 and load(self.memory, zone + ZONE_NR_FREE_CMA) > free // 2:
            page = self._rmqueue_cma_fallback(zone, order)
            if page != 0:
                return page
        page = self._rmqueue_smallest(zone, order, migratetype)
        if page == 0 and alloc_flags & ALLOC_CMA != 0:
            page = self._rmqueue_cma_fallback(zone, order)
        if page == 0:
            page = self._rmqueue_claim(zone, order, migratetype, alloc_flags)
        if page == 0 and alloc_flags & ALLOC_NOFRAGMENT == 0:
            page = self._rmqueue_steal(zone, order, migratetype)
        return page

    def become_movable(self, zone: u64, page: u64, migratetype: i32) -> i32:
        """Make the block of ``page`` MOVABLE, and move its free pages along; returns 0."""
        start: u64 = self.block_range(zone, self.page_to_pfn(page))
        if start <= self.page_to_pfn(page):
            self.move_block(zone, start, migratetype, self.mt_movable)
        return 0

    # Isolation: a bit beside the type, which is remembered.

    def isolate_block(self, zone: u64, page: u64) -> i32:
        """Isolate a block and its free pages; returns 0."""
        return self.toggle_isolate(zone, page, True)

    def toggle_isolate(self, zone: u64, page: u64, isolated: bint) -> i32:
        """Set or clear the isolate bit of a block, and move its free pages accordingly; returns 0.

        A free chunk of several blocks is taken out and freed again block by block.
        """
        pfn: u64 = self.page_to_pfn(page) & ~(self.pageblock_nr_pages - 1)
        old_type: i32 = self.get_pfnblock_migratetype(pfn)
        size: i64
        order: i32
        moved: i64
        add(self.memory, zone + ZONE_NR_ISOLATE, 1 if isolated else -1)
        self.wake(zone, pfn)
        head_pfn: u64 = self.outer_start(pfn)
        head: u64 = self.pfn_to_page(head_pfn)
        page = self.pfn_to_page(pfn)
        if self.page_buddy(head) and self.page_private(head) > self.pageblock_order:
            order = self.page_private(head)
            size = 1 << order
            self.del_page_from_free_list(head, zone, order, -1)
            self.mod_zone_freepage_state(zone, -size, self.get_pageblock_migratetype(head))
            self.set_pageblock_isolate(page, isolated)
            return self.free_one_page(zone, head, head_pfn, order, old_type, FPI_NONE)
        self.set_pageblock_isolate(page, isolated)
        moved = self.move_freepages_block(zone, page, self.get_pfnblock_migratetype(pfn))
        self.mod_zone_freepage_state(zone, -moved, old_type)
        return self.mod_zone_freepage_state(zone, moved, self.get_pfnblock_migratetype(pfn))

    def unset_migratetype_isolate(self, page: u64, migratetype: i32) -> i32:
        """Make an isolated block what it was before; returns 0.

        A chunk of a whole block that could merge now is taken out and freed again.
        """
        zone: u64 = self.zone_of_pfn(self.page_to_pfn(page))
        order: i32
        buddy: u64
        if not self.is_migrate_isolate_page(page):
            return 0
        if self.page_buddy(page):
            order = self.page_private(page)
            if order >= self.pageblock_order and order < self.order_max:
                buddy = self.find_buddy_page_pfn(page, self.page_to_pfn(page), order)
                if buddy != 0 and not self.is_migrate_isolate_page(buddy):
                    self._isolate_free_page(page, order)
                    self.set_pageblock_isolate(page, False)
                    add(self.memory, zone + ZONE_NR_ISOLATE, -1)
                    return self._putback_isolated_page(page, order, migratetype)
        return self.toggle_isolate(zone, page, False)

    # The slow path.

    def alloc_pages_slowpath(
        self, gfp: u64, order: i32, highest_zoneidx: i32, zonelist: u64
    ) -> u64:
        """As in 6.1, but who may not fail and may not wait either is told so before any attempt."""
        if gfp & self.gfp_nofail and (
            not gfp & self.gfp_direct_reclaim or self.current & PF_MEMALLOC
        ):
            raise KernelWarning("__GFP_NOFAIL from who may not wait", "__alloc_pages_slowpath")
        return Pages.alloc_pages_slowpath(self, gfp, order, highest_zoneidx, zonelist)

    def should_compact_retry(self, at: Attempt) -> bool:
        """Only where compaction made chunks is it tried again as it was (511a69b27fe6, 6.5)."""
        if not at.order:
            return False
        costly = at.order > COSTLY
        if at.compact_result == COMPACT_SKIPPED:
            return self.compaction_zonelist_suitable(
                at.order, at.alloc_flags, at.highest_zoneidx, at.zonelist
            )
        if at.compact_result == COMPACT_SUCCESS:
            at.compaction_retries += 1
            if at.compaction_retries <= (
                MAX_COMPACT_RETRIES // 4 if costly else MAX_COMPACT_RETRIES
            ):
                return True
        return self.raise_compact_priority(at)

    # HIGHATOMIC blocks.

    def highatomic_limit(self, zone: u64) -> u64:
        """Pages beyond which nothing is set apart: none where 1 % is less than a block."""
        share: u64 = self.managed_pages(zone) // 100
        block: u64 = self.pageblock_nr_pages
        return 0 if share < block else (share + block - 1) & ~(block - 1)

    def reserve_highatomic_pageblock(self, page: u64, zone: u64, order: i32) -> i32:
        """Set the block of ``page`` apart, or all blocks of a larger chunk; returns 0."""
        reserved: u64 = load(self.memory, zone + ZONE_NR_RESERVED_HIGHATOMIC)
        block_type: i32 = self.get_pageblock_migratetype(page)
        one: u64 = 1
        if reserved >= self.highatomic_limit(zone):
            return 0
        if not self.migratetype_is_mergeable(block_type):
            return 0
        if order >= self.pageblock_order:
            self.change_pageblock_range(page, order, self.mt_highatomic)
            store(self.memory, zone + ZONE_NR_RESERVED_HIGHATOMIC, reserved + (one << order))
            return 0
        start: u64 = self.block_range(zone, self.page_to_pfn(page))
        if start <= self.page_to_pfn(page):
            self.move_block(zone, start, block_type, self.mt_highatomic)
            store(
                self.memory, zone + ZONE_NR_RESERVED_HIGHATOMIC, reserved + self.pageblock_nr_pages
            )
        return 0

    def unreserve_in_zone(self, zone: u64, migratetype: i32) -> bint:
        """Give the blocks of the first free HIGHATOMIC chunk back; True if pages were moved."""
        order: i32 = 0
        page: u64
        size: i64
        while order <= self.order_max:
            page = self.get_page_from_free_area(zone, order, self.mt_highatomic)
            if page == 0:
                order += 1
                continue
            if order < self.pageblock_order:
                self.uncount_reserved(zone, page, self.pageblock_nr_pages)
                pfn: u64 = self.page_to_pfn(page) & ~(self.pageblock_nr_pages - 1)
                return self.move_block(zone, pfn, self.mt_highatomic, migratetype) != 0
            size = 1 << order
            self.uncount_reserved(zone, page, size)
            self.change_pageblock_range(page, order, migratetype)
            self.move_to_free_list(page, zone, order, migratetype)
            self.mod_zone_freepage_state(zone, -size, self.mt_highatomic)
            self.mod_zone_freepage_state(zone, size, migratetype)
            return True
        return False

    def uncount_reserved(self, zone: u64, page: u64, pages: u64) -> i32:
        """Take pages from the count of those set apart, which must hold them; returns 0."""
        reserved: u64 = load(self.memory, zone + ZONE_NR_RESERVED_HIGHATOMIC)
        if pages > reserved:
            raise PageWarning(
                f"{pages} pages unreserved of {reserved}",
                "unreserve_highatomic_pageblock",
                page,
                self.page_to_pfn(page),
            )
        store(self.memory, zone + ZONE_NR_RESERVED_HIGHATOMIC, reserved - pages)
        return 0

    def zone_watermark_unusable_free(self, zone: u64, order: i32, alloc_flags: i32) -> i64:
        """Free pages that this caller may not count on: HIGHATOMIC ones by their true number."""
        unusable: i64 = (1 << order) - 1
        if alloc_flags & ALLOC_RESERVES == 0:
            unusable += load(self.memory, zone + ZONE_NR_FREE_HIGHATOMIC)
        if alloc_flags & ALLOC_CMA == 0:
            unusable += load(self.memory, zone + ZONE_NR_FREE_CMA)
        return unusable
