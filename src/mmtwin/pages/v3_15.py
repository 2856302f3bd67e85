"""The page allocator of Linux 3.15: watermarks that halve by order, fair turns between zones.

Its slow path never lets a small request fail that may wait and start the OOM killer, and knows no
``__GFP_RETRY_MAYFAIL``, but ``__GFP_REPEAT``: go on until as much was reclaimed as was asked for.
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
from mmtwin.pages.compact_scan import MIGRATE_ASYNC, MIGRATE_SYNC_LIGHT, CompactControl
from mmtwin.pages.compaction import (
    COMPACT_DEFERRED,
    COMPACT_PRIO_ASYNC,
    COMPACT_PRIO_SYNC_LIGHT,
    COMPACT_SKIPPED,
)
from mmtwin.pages.gfp_request import OOM_VICTIM, PF_MEMALLOC
from mmtwin.pages.hot_cold import HotCold
from mmtwin.pages.slowpath import COSTLY, Attempt

if not cython.compiled:
    from mmtwin.pages.words import load, store

WMARK_LOW = declare(i32, g.WMARK_LOW)
WMARK_MIN = declare(i32, g.WMARK_MIN)
ALLOC_CPUSET = declare(i32, g.ALLOC_CPUSET)
ALLOC_CMA = declare(i32, g.ALLOC_CMA)
ALLOC_HARDER = declare(i32, g.ALLOC_HARDER)
ALLOC_HIGH = declare(i32, g.ALLOC_HIGH)
ALLOC_FAIR = declare(i32, g.ALLOC_FAIR)
ALLOC_NO_WATERMARKS = declare(i32, g.ALLOC_NO_WATERMARKS)
RT_TASK = declare(u64, 32)
MEMALLOC_OR_VICTIM = declare(u64, 17)
ZONE_WATERMARK = declare(u64, c.ZONE_WATERMARK)
ZONE_NR_FREE_CMA = declare(u64, c.ZONE_NR_FREE_CMA)
ZONE_NR_ALLOC_BATCH = declare(u64, c.ZONE_NR_ALLOC_BATCH)
SIGN = declare(u64, 1 << 63)


class Pages315(HotCold):
    """Linux 3.15's page allocator."""

    # Watermarks.

    def wmark_pages(self, zone: u64, mark: i32) -> u64:
        """The mark in pages: 0 MIN, 1 LOW, 2 HIGH."""
        return load(self.memory, zone + ZONE_WATERMARK + 8 * mark)

    def _zone_watermark_ok(
        self,
        zone: u64,
        order: i32,
        mark: i64,
        highest_zoneidx: i32,
        alloc_flags: i32,
        free_pages: i64,
    ) -> bint:
        """Would ``mark`` hold after giving 2^order pages away, and half of it at each order?"""
        least: i64 = mark
        free_cma: i64 = 0
        o: i32 = 0
        reserve: i64 = self.lowmem_reserve(zone, highest_zoneidx)
        heads: i64
        free_pages -= (1 << order) - 1
        if alloc_flags & ALLOC_HIGH != 0:
            least -= least // 2
        if alloc_flags & ALLOC_HARDER != 0:
            least -= least // 4
        if alloc_flags & ALLOC_CMA == 0:
            free_cma = load(self.memory, zone + ZONE_NR_FREE_CMA)
        if free_pages - free_cma <= least + reserve:
            return False
        while o < order:
            heads = self.nr_free(zone, o)
            free_pages -= heads << o
            least >>= 1
            if free_pages <= least:
                return False
            o += 1
        return True

    def zone_watermark_fast(
        self,
        zone: u64,
        order: i32,
        mark: i64,
        highest_zoneidx: i32,
        alloc_flags: i32,
        atomic: bint,
    ) -> bint:
        """There is no short cut yet."""
        return self.zone_watermark_ok(zone, order, mark, highest_zoneidx, alloc_flags)

    # Callers.

    def note_pfmemalloc(self, page: u64, alloc_flags: i32) -> i32:
        """``page->pfmemalloc``: overwrites the byte that cached the type; returns 0."""
        index: u64 = load(self.memory, page - self.shift + self.o_index)
        low: u64 = 1 if alloc_flags & ALLOC_NO_WATERMARKS != 0 else 0
        if self.memory.big_endian:
            return self.st(page + self.o_index, (index & ~(0xFF << 56)) | (low << 56))
        return self.st(page + self.o_index, ((index >> 8) << 8) | low)

    def first_attempt(self, gfp: u64, order: i32, highest_zoneidx: i32, zonelist: u64) -> u64:
        """The LOW mark holds, first in fair turns between zones, then without them."""
        flags: i32 = WMARK_LOW | ALLOC_CPUSET
        if self.gfp_migratetype(gfp) == self.mt_movable:
            flags |= ALLOC_CMA
        page: u64 = self.get_page_from_freelist(
            gfp, order, flags | ALLOC_FAIR, highest_zoneidx, zonelist
        )
        if page == 0:
            self.reset_alloc_batches(highest_zoneidx, zonelist)
            page = self.get_page_from_freelist(gfp, order, flags, highest_zoneidx, zonelist)
        return page

    def reset_alloc_batches(self, highest_zoneidx: i32, zonelist: u64) -> i32:
        """Give every zone of the preferred node a new share of allocations; returns 0."""
        zoneref: u64 = self.next_zone(zonelist, highest_zoneidx)
        zone: u64 = load(self.memory, zoneref)
        while zone != 0:
            if self.zone_to_nid(zone) == self.preferred_node:
                self.reset_alloc_batch(zone)
            zoneref = self.next_zone(zoneref + 8, highest_zoneidx)
            zone = load(self.memory, zoneref)
        return 0

    def reset_alloc_batch(self, zone: u64) -> i32:
        """NR_ALLOC_BATCH becomes the distance of the HIGH from the LOW mark; returns 0."""
        batch: u64 = self.wmark_pages(zone, 2) - self.wmark_pages(zone, 1)
        store(self.memory, zone + ZONE_NR_ALLOC_BATCH, batch)
        return 0

    def zone_usable(
        self, zone: u64, order: i32, gfp: u64, alloc_flags: i32, highest_zoneidx: i32
    ) -> bint:
        """Do fairness and the watermarks let this request have a chunk of this zone?"""
        if alloc_flags & ALLOC_NO_WATERMARKS != 0:
            return True
        if alloc_flags & ALLOC_FAIR != 0:
            if self.zone_to_nid(zone) != self.preferred_node:
                return False
            batch: u64 = load(self.memory, zone + ZONE_NR_ALLOC_BATCH)
            if batch == 0 or batch & SIGN != 0:
                return False
        mark: u64 = self.wmark_pages(zone, alloc_flags & 3)
        return self.zone_watermark_ok(zone, order, mark, highest_zoneidx, alloc_flags)

    def gfp_to_alloc_flags(self, gfp: u64, order: i32) -> i32:
        """The flags of the slow path; who can neither wait nor forbids kswapd is atomic."""
        flags: i32 = WMARK_MIN | ALLOC_CPUSET
        flags |= gfp & self.gfp_high
        reserves: bint = gfp & self.gfp_nomemalloc == 0
        if gfp & (self.gfp_direct_reclaim | self.gfp_no_kswapd) == 0:
            if reserves:
                flags |= ALLOC_HARDER
            flags &= ~ALLOC_CPUSET
        elif self.current & RT_TASK != 0:
            flags |= ALLOC_HARDER
        if reserves and (gfp & self.gfp_memalloc != 0 or self.current & MEMALLOC_OR_VICTIM != 0):
            flags |= ALLOC_NO_WATERMARKS
        if self.gfp_migratetype(gfp) == self.mt_movable:
            flags |= ALLOC_CMA
        return flags

    def wakes_kswapd(self, gfp: u64, alloc_flags: i32) -> bint:
        """Everyone wakes kswapd who does not forbid it."""
        return gfp & self.gfp_no_kswapd == 0

    def gfp_pfmemalloc_flags(self, gfp: u64) -> i32:
        """The rights to the reserves are in the slow path's flags already."""
        return 0

    def unreserve_highatomic_pageblock(self, zonelist: u64, migratetype: i32, force: bint) -> bint:
        """Nothing is set apart for atomic requests; the RESERVE blocks serve everyone last."""
        return False

    # The slow path.

    def alloc_pages_slowpath(
        self, gfp: u64, order: i32, highest_zoneidx: i32, zonelist: u64
    ) -> u64:
        """A chunk, or 0 if all of it fails; who asked for GFP_THISNODE chooses nodes itself."""
        this_node: u64 = self.gfp_thisnode | self.gfp_noretry | self.gfp_nowarn
        if gfp & this_node == this_node:
            return 0
        at = Attempt(gfp, order, highest_zoneidx, zonelist, 0, compact_priority=COMPACT_PRIO_ASYNC)
        restart = True
        while True:
            self.count_round(at)
            if restart and self.wakes_kswapd(gfp, 0):
                self.wake_all_kswapds(gfp, order, highest_zoneidx, zonelist)
            page, again, restart = self.rebalance(at)
            if page or not again:
                return page

    def rebalance(self, at: Attempt) -> tuple[int, bool, bool]:
        """One round: a chunk or 0, whether another one follows, and whether it starts afresh."""
        gfp, order = at.gfp, at.order
        no_fail = bool(gfp & self.gfp_nofail)
        flags = self.gfp_to_alloc_flags(gfp, order)
        at.alloc_flags = flags & ~g.ALLOC_NO_WATERMARKS
        page = self._from_freelist(at)
        if not page and flags & g.ALLOC_NO_WATERMARKS:
            page = self._from_freelist(at, g.ALLOC_NO_WATERMARKS)
            if not page and no_fail:
                return 0, True, False
        if page:
            return page, False, False
        if not gfp & self.gfp_direct_reclaim:
            if no_fail:
                raise KernelWarning("__GFP_NOFAIL from who may not wait", "__alloc_pages_slowpath")
            return 0, False, False
        if self.current & PF_MEMALLOC or (self.current & OOM_VICTIM and not no_fail):
            return 0, False, False
        if page := self.alloc_pages_direct_compact(at, at.compact_priority):
            return page, False, False
        if not gfp & self.gfp_no_kswapd:
            at.compact_priority = COMPACT_PRIO_SYNC_LIGHT
        elif at.compact_result == COMPACT_DEFERRED:
            # A huge page is a wish: nobody reclaims for it where compaction failed lately.
            return 0, False, False
        page, progress = self.alloc_pages_direct_reclaim(at)
        if page:
            return page, False, False
        if not progress and gfp & self.gfp_fs and not gfp & self.gfp_noretry:
            if self.oom_hook is None:
                return 0, False, False
            page, _ = self.alloc_pages_may_oom(at)
            hopeless = order > COSTLY or at.highest_zoneidx < 2
            again = not page and (no_fail or not hopeless)
            return page, again, again
        at.pages_reclaimed += progress
        if self.should_alloc_retry(at):
            return 0, True, False
        return self.alloc_pages_direct_compact(at, at.compact_priority), False, False

    def should_alloc_retry(self, at: Attempt) -> bool:
        """Small requests go on for ever; large ones that say so until 2^order were reclaimed."""
        if at.gfp & self.gfp_noretry:
            return False
        if at.gfp & self.gfp_nofail or at.order <= COSTLY:
            return True
        return bool(at.gfp & self.gfp_retry_mayfail) and at.pages_reclaimed < 1 << at.order

    def alloc_pages_may_oom(self, at: Attempt) -> tuple[int, int]:
        """A last look, then the OOM killer: a chunk or 0, and whether somebody was killed."""
        if page := self._from_freelist(at, g.WMARK_HIGH | g.ALLOC_CPUSET):
            return page, 1
        modest = at.order > COSTLY or at.highest_zoneidx < 2 or at.gfp & self.gfp_thisnode
        if modest and not at.gfp & self.gfp_nofail:
            return 0, 0
        return 0, int(self.out_of_memory(at.gfp, at.order))

    def alloc_pages_direct_compact(self, at: Attempt, priority: int) -> int:
        """Compact, then try again: a chunk or 0. The preferred zone says whether to put it off."""
        if not at.order:
            return 0
        preferred = self.zones_of(at.zonelist, at.highest_zoneidx)[0]
        if self.compaction_deferred(preferred, at.order):
            at.compact_result = COMPACT_DEFERRED
            return 0
        before = self.current
        self.current = before | PF_MEMALLOC
        result = self.try_to_compact_pages(
            at.gfp, at.order, at.alloc_flags, at.highest_zoneidx, at.zonelist, priority
        )
        self.current = before
        if result == COMPACT_SKIPPED:
            return 0
        for zone in self.populated_zones():
            self.drain_pages_zone(self.cpu, zone)
        page = self._from_freelist(at)
        self.count_vm_event("compact_success" if page else "compact_fail")
        if page:
            store(self.memory, preferred + c.ZONE_COMPACT_FLUSH, 0)
            self.compaction_defer_reset(preferred, at.order, True)
        elif priority != COMPACT_PRIO_ASYNC:
            self.defer_compaction(preferred, at.order)
        return page

    def try_to_compact_pages(
        self,
        gfp: int,
        order: int,
        alloc_flags: int,
        highest_zoneidx: int,
        zonelist: int,
        priority: int,
    ) -> int:
        """Compact the zones of a request until the LOW mark of one holds: the best result.

        Nothing is captured; who may not enter a file system does not compact.
        """
        best: int = COMPACT_SKIPPED
        if not gfp & self.gfp_fs or not gfp & self.gfp_io:
            return best
        self.count_vm_event("compact_stall")
        mode = MIGRATE_ASYNC if priority == COMPACT_PRIO_ASYNC else MIGRATE_SYNC_LIGHT
        cma = self.gfp_to_alloc_flags_cma(gfp, 0)
        for zone in self.zones_of(zonelist, highest_zoneidx):
            cc = CompactControl(
                zone,
                self.zone_to_nid(zone),
                order,
                gfp,
                mode,
                alloc_flags,
                highest_zoneidx,
                direct_compaction=True,
            )
            best = max(best, self.compact_zone(cc))
            if self.zone_watermark_ok(zone, order, self.wmark_pages(zone, WMARK_LOW), 0, cma):
                break
        return best

    # Marks.

    def set_zone_wmarks(self, zone: int, share: int) -> None:
        """Set a zone's marks, then move its RESERVE blocks to suit."""
        for nth, distance in enumerate((0, share // 4, share // 2)):
            store(self.memory, zone + c.ZONE_WATERMARK + 8 * nth, share + distance)
        self.reset_alloc_batch(zone)
        self.setup_zone_migrate_reserve(zone)

    def zone_batchsize(self, zone: int) -> int:
        """How many pages per-cpu lists take at once: 2^n - 1, 0 in a tiny zone."""
        batch = max(1, min(self.managed_pages(zone) // 1024, 128) // 4)
        return (1 << ((batch + batch // 2).bit_length() - 1)) - 1

    def zone_highsize(self, zone: int, batch: int) -> int:
        """Six times the batch."""
        return 6 * self.zone_batchsize(zone)
