"""Allocation and freeing as callers see them: zone by zone, under the watermarks.

The order of attempts is that of 6.1.192. Reclaim, compaction and the OOM killer are not here: a
``reclaimer`` may stand in for them, without one a request that would reclaim fails instead.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Protocol

from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug, KernelWarning
from mmtwin.memory.allocator import Injector
from mmtwin.memory.memory import Memory
from mmtwin.pages import gfp as g
from mmtwin.pages import layouts as c
from mmtwin.pages.era import PageEra
from mmtwin.pages.pcplist import Pcplists
from mmtwin.pages.zone import ZoneSpec

WMARK_MIN = declare(i32, g.WMARK_MIN)
WMARK_LOW = declare(i32, g.WMARK_LOW)
ALLOC_NO_WATERMARKS = declare(i32, g.ALLOC_NO_WATERMARKS)
ALLOC_OOM = declare(i32, g.ALLOC_OOM)
ALLOC_NON_BLOCK = declare(i32, g.ALLOC_NON_BLOCK)
ALLOC_MIN_RESERVE = declare(i32, g.ALLOC_MIN_RESERVE)
ALLOC_CPUSET = declare(i32, g.ALLOC_CPUSET)
ALLOC_CMA = declare(i32, g.ALLOC_CMA)
ALLOC_NOFRAGMENT = declare(i32, g.ALLOC_NOFRAGMENT)
ALLOC_HIGHATOMIC = declare(i32, g.ALLOC_HIGHATOMIC)
ALLOC_KSWAPD = declare(i32, g.ALLOC_KSWAPD)
WMARK_MASK = declare(i32, 3)
ZONE_FLAGS = declare(u64, c.ZONE_FLAGS)
ZONE_USED = declare(u64, c.ZONE_USED)
BOOSTED_WATERMARK = declare(u64, c.BOOSTED_WATERMARK)
FPI_NONE = declare(i32, 0)
ZONE_BITS = declare(u64, 0xF)
MOBILITY_BITS = declare(u64, 0x18)
ZONE_DMA = declare(i32, 0)
ZONE_DMA32 = declare(i32, 1)
ZONE_NORMAL = declare(i32, 2)
ZONE_MOVABLE = declare(i32, 3)

PF_MEMALLOC = 1
PF_MEMALLOC_NOFS = 2
PF_MEMALLOC_NOIO = 4
PF_MEMALLOC_PIN = 8
OOM_VICTIM = 16
RT_TASK = 32
SOME_MEMALLOC = declare(u64, PF_MEMALLOC)
SOME_VICTIM = declare(u64, OOM_VICTIM)
SOME_RT = declare(u64, RT_TASK)
NOIO = declare(u64, PF_MEMALLOC_NOIO)
NOFS = declare(u64, PF_MEMALLOC_NOFS)
PIN = declare(u64, PF_MEMALLOC_PIN)


class Reclaimer(Protocol):
    """Stands in for kswapd, direct reclaim and compaction."""

    def wake_kswapd(self, zone: int, order: int) -> None:
        """A request found ``zone`` below its LOW mark, or boosted it."""

    def direct_reclaim(self, gfp: int, order: int) -> int:
        """Free pages for a caller that may sleep; how many were freed."""


class PageAlloc(Pcplists):
    """``alloc_pages`` and ``free_pages``.

    ``current`` holds the scopes of the running task (``PF_MEMALLOC`` and the like of this module),
    ``injector`` may refuse requests (fail_page_alloc), ``on_failure`` hears of those that fail.
    """

    def __init__(
        self,
        memory: Memory,
        era: PageEra,
        memmap: u64,
        frames: u64,
        specs: Sequence[ZoneSpec],
        cpus: i32,
    ) -> None:
        super().__init__(memory, era, memmap, frames, specs, cpus)
        self.current = 0
        self.preferred_node = 0
        self.injector: Injector | None = None
        self.reclaimer: Reclaimer | None = None
        self.on_failure = None
        gfp = era.gfp
        self.gfp_high = gfp.bit("HIGH")
        self.gfp_io = gfp.bit("IO")
        self.gfp_fs = gfp.bit("FS")
        self.gfp_movable = gfp.bit("MOVABLE")
        self.gfp_reclaimable = gfp.bit("RECLAIMABLE")
        self.gfp_atomic = gfp.bit("ATOMIC")
        self.gfp_direct_reclaim = gfp.bit("DIRECT_RECLAIM") or gfp.bit("WAIT")
        self.gfp_kswapd_reclaim = gfp.bit("KSWAPD_RECLAIM")
        self.gfp_no_kswapd = gfp.bit("NO_KSWAPD")
        self.gfp_nowarn = gfp.bit("NOWARN")
        self.gfp_nofail = gfp.bit("NOFAIL")
        self.gfp_memalloc = gfp.bit("MEMALLOC")
        self.gfp_nomemalloc = gfp.bit("NOMEMALLOC")
        self.gfp_comp = gfp.bit("COMP")
        self.gfp_zero = gfp.bit("ZERO")
        self.gfp_thisnode = gfp.bit("THISNODE")
        self.gfp_cold = gfp.bit("COLD")
        self.gfp_noretry = gfp.bit("NORETRY")
        self.gfp_retry_mayfail = gfp.bit("RETRY_MAYFAIL") or gfp.bit("REPEAT")
        self.gfp_account = gfp.bit("ACCOUNT")
        self.gfp_write = gfp.bit("WRITE")

    # What the flags ask for.

    def gfp_zone(self, gfp: u64) -> i32:
        """The highest zone that the request may use."""
        bits: u64 = gfp & ZONE_BITS
        if bits == 0 or bits == 2 or bits == 8:
            return ZONE_NORMAL
        if bits == 0xA:
            return ZONE_MOVABLE
        if bits == 4 or bits == 0xC:
            return ZONE_DMA32
        if bits == 1 or bits == 9:
            return ZONE_DMA
        raise KernelBug(f"(GFP_ZONE_BAD >> {bits:#x}) & 1", "gfp_zone")

    def gfp_migratetype(self, gfp: u64) -> i32:
        """The type of pages that the request wants."""
        if gfp & MOBILITY_BITS == MOBILITY_BITS:
            raise KernelWarning("MOVABLE and RECLAIMABLE asked for at once", "gfp_migratetype")
        if self.mobility_disabled():
            return self.mt_unmovable
        return (gfp & MOBILITY_BITS) >> 3

    def current_gfp_context(self, gfp: u64) -> u64:
        """The flags less what the running task's scopes forbid."""
        if self.current & NOIO != 0:
            gfp &= ~(self.gfp_io | self.gfp_fs)
        elif self.current & NOFS != 0:
            gfp &= ~self.gfp_fs
        if self.current & PIN != 0:
            gfp &= ~self.gfp_movable
        return gfp

    def gfp_to_alloc_flags_cma(self, gfp: u64, alloc_flags: i32) -> i32:
        """Movable requests may take CMA pages."""
        if self.mt_cma >= 0 and self.gfp_migratetype(gfp) == self.mt_movable:
            alloc_flags |= ALLOC_CMA
        return alloc_flags

    def alloc_flags_nofragment(self, zone: u64, gfp: u64) -> i32:
        """Whether pageblocks should rather not be mixed: zones Normal and DMA32 can serve both."""
        alloc_flags: i32 = gfp & ALLOC_KSWAPD
        if zone == 0 or self.zone_idx(zone) != ZONE_NORMAL:
            return alloc_flags
        below: u64 = self.zone_at(self.zone_to_nid(zone), ZONE_DMA32)
        if self.nodes > 1 and not self.populated(below):
            return alloc_flags
        return alloc_flags | ALLOC_NOFRAGMENT

    def first_attempt(self, gfp: u64, order: i32, highest_zoneidx: i32, zonelist: u64) -> u64:
        """The fast path: the LOW mark holds. A chunk, or 0."""
        preferred: u64 = self.memory.load(self.next_zone(zonelist, highest_zoneidx))
        flags: i32 = self.alloc_flags_nofragment(preferred, gfp)
        flags = self.gfp_to_alloc_flags_cma(gfp, WMARK_LOW | flags)
        return self.get_page_from_freelist(gfp, order, flags, highest_zoneidx, zonelist)

    def gfp_to_alloc_flags(self, gfp: u64, order: i32) -> i32:
        """The flags of the slow path: how far below the MIN mark the caller may go."""
        alloc_flags: i32 = WMARK_MIN | ALLOC_CPUSET
        alloc_flags |= gfp & (self.gfp_high | self.gfp_kswapd_reclaim)
        if gfp & self.gfp_direct_reclaim == 0:
            if gfp & self.gfp_nomemalloc == 0:
                alloc_flags |= ALLOC_NON_BLOCK
                if order > 0 and alloc_flags & ALLOC_MIN_RESERVE != 0:
                    alloc_flags |= ALLOC_HIGHATOMIC
            if alloc_flags & ALLOC_MIN_RESERVE != 0:
                alloc_flags &= ~ALLOC_CPUSET
        elif self.current & SOME_RT != 0:
            alloc_flags |= ALLOC_MIN_RESERVE
        return self.gfp_to_alloc_flags_cma(gfp, alloc_flags)

    def gfp_pfmemalloc_flags(self, gfp: u64) -> i32:
        """Rights to the reserves: none (0), ALLOC_OOM or ALLOC_NO_WATERMARKS."""
        if gfp & self.gfp_nomemalloc != 0:
            return 0
        if gfp & self.gfp_memalloc != 0 or self.current & SOME_MEMALLOC != 0:
            return ALLOC_NO_WATERMARKS
        return ALLOC_OOM if self.current & SOME_VICTIM != 0 else 0

    # From the zones.

    def rmqueue(self, zone: u64, order: i32, gfp: u64, alloc_flags: i32, migratetype: i32) -> u64:
        """A chunk from one zone, by the per-cpu lists if they serve that order; 0 if none."""
        page: u64 = 0
        if gfp & self.gfp_nofail != 0 and order > 1:
            raise KernelWarning("(gfp_flags & __GFP_NOFAIL) && (order > 1)", "rmqueue")
        if self.pcp_allowed_order(order) and (
            self.mt_cma < 0 or alloc_flags & ALLOC_CMA != 0 or migratetype != self.mt_movable
        ):
            page = self.rmqueue_pcplist(zone, order, migratetype, alloc_flags)
        if page == 0:
            page = self.rmqueue_buddy(zone, order, alloc_flags, migratetype)
        flags: u64 = self.memory.load(zone + ZONE_FLAGS)
        if flags & BOOSTED_WATERMARK != 0:
            self.memory.store(zone + ZONE_FLAGS, flags & ~BOOSTED_WATERMARK)
            if self.reclaimer is not None:
                self.reclaimer.wake_kswapd(zone, 0)
        if page != 0 and self.bad_range(zone, page):
            self.page_bug("page && bad_range(zone, page)", "rmqueue", page)
        return page

    def rmqueue_buddy(self, zone: u64, order: i32, alloc_flags: i32, migratetype: i32) -> u64:
        """A chunk from the buddy lists; HIGHATOMIC pages first or last, by the caller's rights."""
        page: u64 = 0
        size: i64 = 1 << order
        if alloc_flags & ALLOC_HIGHATOMIC != 0:
            page = self._rmqueue_smallest(zone, order, self.mt_highatomic)
        if page == 0:
            page = self._rmqueue(zone, order, migratetype, alloc_flags)
            if page == 0 and alloc_flags & (ALLOC_OOM | ALLOC_NON_BLOCK) != 0:
                page = self._rmqueue_smallest(zone, order, self.mt_highatomic)
            if page == 0:
                return 0
        self.mod_zone_freepage_state(zone, -size, self.get_pcppage_migratetype(page))
        self.check_new_pages(page, order, zone)
        return page

    def next_zone(self, zoneref: u64, highest_zoneidx: i32) -> u64:
        """The first entry of a zonelist from ``zoneref`` on that the request may use."""
        zone: u64 = self.memory.load(zoneref)
        while zone != 0 and self.zone_idx(zone) > highest_zoneidx:
            zoneref += 8
            zone = self.memory.load(zoneref)
        return zoneref

    def get_page_from_freelist(
        self, gfp: u64, order: i32, alloc_flags: i32, highest_zoneidx: i32, zonelist: u64
    ) -> u64:
        """The first zone that may give a chunk gives it; 0 if none does."""
        memory = self.memory
        migratetype: i32 = self.gfp_migratetype(gfp)
        preferred: u64 = self.next_zone(zonelist, highest_zoneidx)
        zoneref: u64 = preferred
        zone: u64 = memory.load(preferred)
        if zone == 0:
            return 0
        node: i32 = self.zone_to_nid(zone)
        self.preferred_node = node
        page: u64
        while True:
            if zone == 0:
                # No zone could serve without mixing blocks: then they are mixed.
                if alloc_flags & ALLOC_NOFRAGMENT == 0:
                    return 0
                alloc_flags &= ~ALLOC_NOFRAGMENT
                zoneref = preferred
                zone = memory.load(preferred)
                continue
            if self.zone_to_nid(zone) != node:
                if gfp & self.gfp_thisnode != 0:
                    zone = 0
                    continue
                if alloc_flags & ALLOC_NOFRAGMENT != 0:
                    # Being local matters more than not mixing blocks.
                    zone = 0
                    continue
            if self.zone_usable(zone, order, gfp, alloc_flags, highest_zoneidx):
                page = self.rmqueue(zone, order, gfp, alloc_flags, migratetype)
                if page != 0:
                    self.prep_new_page(
                        page, order, gfp & self.gfp_comp != 0, gfp & self.gfp_zero != 0
                    )
                    self.note_pfmemalloc(page, alloc_flags)
                    self.add_to(zone + ZONE_USED, 1 << order)
                    if alloc_flags & ALLOC_HIGHATOMIC != 0:
                        self.reserve_highatomic_pageblock(page, zone, order)
                    return page
            zoneref = self.next_zone(zoneref + 8, highest_zoneidx)
            zone = memory.load(zoneref)

    def note_pfmemalloc(self, page: u64, alloc_flags: i32) -> i32:
        """Note in the page whether it came from below the watermarks; returns 0."""
        return 0

    def zone_usable(
        self, zone: u64, order: i32, gfp: u64, alloc_flags: i32, highest_zoneidx: i32
    ) -> bint:
        """Do the watermarks let this request have a chunk of this zone?"""
        if alloc_flags & ALLOC_NO_WATERMARKS != 0:
            return True
        mark: u64 = self.wmark_pages(zone, alloc_flags & WMARK_MASK)
        atomic: bint = gfp & self.gfp_atomic != 0
        return self.zone_watermark_fast(zone, order, mark, highest_zoneidx, alloc_flags, atomic)

    # Callers.

    def alloc_pages(self, gfp: u64, order: i32, node: i32 = 0) -> u64:
        """A chunk of 2^order pages: its struct page, or 0 if none can be had under ``gfp``."""
        if order > self.order_max:
            if gfp & self.gfp_nowarn == 0:
                raise KernelWarning("order >= MAX_ORDER", "__alloc_pages")
            return 0
        if self.injector is not None and self.injector.should_fail("page", gfp):
            return 0
        asked: u64 = gfp
        gfp = self.current_gfp_context(gfp)
        highest_zoneidx: i32 = self.gfp_zone(gfp)
        zonelist: u64 = self.zonelist(node)
        page: u64 = self.first_attempt(gfp, order, highest_zoneidx, zonelist)
        if page == 0:
            page = self.alloc_pages_slowpath(gfp, order, highest_zoneidx, zonelist)
            if page == 0 and gfp & self.gfp_nowarn == 0 and self.on_failure is not None:
                self.on_failure(asked, order)
        if self.tracer is not None:
            self.trace_alloc(page, order, gfp)
        return page

    def alloc_pages_slowpath(
        self, gfp: u64, order: i32, highest_zoneidx: i32, zonelist: u64
    ) -> u64:
        """What is tried once the LOW marks forbid the request; 0 if all of it fails."""
        if gfp & self.gfp_atomic != 0 and gfp & self.gfp_direct_reclaim != 0:
            raise KernelWarning(
                "__GFP_ATOMIC and __GFP_DIRECT_RECLAIM at once", "__alloc_pages_slowpath"
            )
        alloc_flags: i32 = self.gfp_to_alloc_flags(gfp, order)
        self.wake_all_kswapds(gfp, order, alloc_flags, highest_zoneidx, zonelist)
        page: u64 = self.get_page_from_freelist(gfp, order, alloc_flags, highest_zoneidx, zonelist)
        if page != 0:
            return page
        reserves: i32 = self.gfp_pfmemalloc_flags(gfp)
        if reserves != 0:
            alloc_flags = self.gfp_to_alloc_flags_cma(gfp, reserves | (alloc_flags & ALLOC_KSWAPD))
            page = self.get_page_from_freelist(gfp, order, alloc_flags, highest_zoneidx, zonelist)
            if page != 0:
                return page
        if gfp & self.gfp_direct_reclaim == 0 or self.current & SOME_MEMALLOC != 0:
            return 0
        return self.alloc_pages_direct_reclaim(gfp, order, alloc_flags, highest_zoneidx, zonelist)

    def alloc_pages_direct_reclaim(
        self, gfp: u64, order: i32, alloc_flags: i32, highest_zoneidx: i32, zonelist: u64
    ) -> u64:
        """Reclaim as long as it frees something; then what is set apart or at hand elsewhere."""
        page: u64
        loops: i32 = 0
        while self.reclaimer is not None and loops < 16:
            if self.reclaimer.direct_reclaim(gfp, order) == 0:
                break
            page = self.get_page_from_freelist(gfp, order, alloc_flags, highest_zoneidx, zonelist)
            if page != 0:
                return page
            loops += 1
        self.unreserve_highatomic_pageblock(zonelist, self.gfp_migratetype(gfp), loops == 0)
        self.drain_all_pages(0)
        return self.get_page_from_freelist(gfp, order, alloc_flags, highest_zoneidx, zonelist)

    def wake_all_kswapds(
        self, gfp: u64, order: i32, alloc_flags: i32, highest_zoneidx: i32, zonelist: u64
    ) -> i32:
        """Tell the reclaimer which zones are short; returns 0."""
        if self.reclaimer is None or alloc_flags & ALLOC_KSWAPD == 0:
            return 0
        zoneref: u64 = self.next_zone(zonelist, highest_zoneidx)
        zone: u64 = self.memory.load(zoneref)
        while zone != 0:
            self.reclaimer.wake_kswapd(zone, order)
            zoneref = self.next_zone(zoneref + 8, highest_zoneidx)
            zone = self.memory.load(zoneref)
        return 0

    def trace_alloc(self, page: u64, order: i32, gfp: u64) -> i32:
        """Emit ``mm_page_alloc``; returns 0."""
        if self.tracer is not None:
            self.tracer(
                "mm_page_alloc",
                page=page,
                pfn=self.page_to_pfn(page) if page else 0,
                order=order,
                migratetype=self.gfp_migratetype(gfp),
                gfp_flags=gfp,
            )
        return 0

    def free_the_page(self, page: u64, order: i32) -> i32:
        """Free a chunk whose last reference is gone; returns 0."""
        if self.tracer is not None:
            self.tracer("mm_page_free", page=page, pfn=self.page_to_pfn(page), order=order)
        size: i64 = 1 << order
        self.add_to(self.page_zone(page) + ZONE_USED, -size)
        if self.pcp_allowed_order(order):
            return self.free_unref_page(page, order)
        return self._free_pages_ok(page, order, FPI_NONE)

    def free_pages(self, page: u64, order: i32) -> i32:
        """``__free_pages``: drop the owner's reference to a chunk of 2^order pages; returns 0.

        If someone else still holds the first page of a chunk that is no compound page, the rest is
        freed now.
        """
        head: bint = self.page_head(page)
        one: u64 = 1
        if self.put_page_testzero(page):
            return self.free_the_page(page, order)
        if not head:
            while order > 0:
                order -= 1
                self.free_the_page(page + 64 * (one << order), order)
        return 0

    def put_page(self, page: u64) -> i32:
        """Drop a reference to a page or compound page; the last one frees it. Returns 0."""
        head: u64 = self.compound_head(page)
        if self.put_page_testzero(head):
            return self.free_the_page(head, self.compound_order(head))
        return 0

    def alloc_pages_bulk(self, gfp: u64, order: i32, count: i32) -> array[int]:
        """Up to ``count`` chunks of 2^order pages; fewer if memory runs out."""
        pages = array("Q", bytes(8 * count))
        nth: i32 = 0
        page: u64
        while nth < count:
            page = self.alloc_pages(gfp, order, 0)
            if page == 0:
                return pages[:nth]
            pages[nth] = page
            nth += 1
        return pages

    def free_pages_bulk(self, pages: Sequence[int], order: i32) -> i32:
        """Free chunks of 2^order pages, first to last; returns 0."""
        page: u64
        for page in pages:
            self.free_pages(page, order)
        return 0
