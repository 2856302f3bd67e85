"""Chunks from the zones: who may go how far below the watermarks, and zone by zone until one gives.

The order of attempts is that of 6.1.192.
"""

from __future__ import annotations

from collections.abc import Sequence

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelWarning
from mmtwin.memory.memory import Memory
from mmtwin.pages import gfp as g
from mmtwin.pages import layouts as c
from mmtwin.pages.era import PageEra
from mmtwin.pages.gfp_request import OOM_VICTIM, PF_MEMALLOC, RT_TASK
from mmtwin.pages.oom import Oom
from mmtwin.pages.zone import ZoneSpec

if not cython.compiled:
    from mmtwin.pages.words import add, load, store

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
ZONE_NODE = declare(u64, c.ZONE_NODE)
ZONE_USED = declare(u64, c.ZONE_USED)
BOOSTED_WATERMARK = declare(u64, c.BOOSTED_WATERMARK)
ZONE_DMA32 = declare(i32, 1)
ZONE_NORMAL = declare(i32, 2)
SOME_MEMALLOC = declare(u64, PF_MEMALLOC)
SOME_VICTIM = declare(u64, OOM_VICTIM)
SOME_RT = declare(u64, RT_TASK)


class Request(Oom):
    """``get_page_from_freelist`` and what decides over it."""

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
        self.preferred_node = 0

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
        preferred: u64 = load(self.memory, self.next_zone(zonelist, highest_zoneidx))
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
        flags: u64 = load(self.memory, zone + ZONE_FLAGS)
        if flags & BOOSTED_WATERMARK != 0:
            store(self.memory, zone + ZONE_FLAGS, flags & ~BOOSTED_WATERMARK)
            self.wakeup_kswapd(zone, 0, 0, self.zone_idx(zone))
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

    def get_page_from_freelist(
        self, gfp: u64, order: i32, alloc_flags: i32, highest_zoneidx: i32, zonelist: u64
    ) -> u64:
        """The first zone that may give a chunk gives it; 0 if none does."""
        memory = self.memory
        migratetype: i32 = self.gfp_migratetype(gfp)
        preferred: u64 = self.next_zone(zonelist, highest_zoneidx)
        zoneref: u64 = preferred
        zone: u64 = load(memory, preferred)
        if zone == 0:
            return 0
        node: u64 = load(memory, zone + ZONE_NODE)
        self.preferred_node = node
        page: u64
        while True:
            if zone == 0:
                # No zone could serve without mixing blocks: then they are mixed.
                if alloc_flags & ALLOC_NOFRAGMENT == 0:
                    return 0
                alloc_flags &= ~ALLOC_NOFRAGMENT
                zoneref = preferred
                zone = load(memory, preferred)
                continue
            if load(memory, zone + ZONE_NODE) != node:
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
                    add(self.memory, zone + ZONE_USED, 1 << order)
                    if alloc_flags & ALLOC_HIGHATOMIC != 0:
                        self.reserve_highatomic_pageblock(page, zone, order)
                    return page
            zoneref = self.next_zone(zoneref + 8, highest_zoneidx)
            zone = load(memory, zoneref)

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
