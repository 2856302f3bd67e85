"""The slow path: kswapd is woken, then compaction, reclaim and the OOM killer help, in that order.

``__alloc_pages_slowpath`` of 6.1.192, mm/page_alloc.c.
"""

from __future__ import annotations

from dataclasses import dataclass

from cython import int as i32
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelWarning
from mmtwin.pages import gfp as g
from mmtwin.pages import layouts as c
from mmtwin.pages.compaction import (
    COMPACT_COMPLETE,
    COMPACT_CONTENDED,
    COMPACT_DEFERRED,
    COMPACT_PARTIAL_SKIPPED,
    COMPACT_PRIO_ASYNC,
    COMPACT_PRIO_SYNC_FULL,
    COMPACT_PRIO_SYNC_LIGHT,
    COMPACT_SKIPPED,
    COMPACT_SUCCESS,
)
from mmtwin.pages.gfp_request import OOM_VICTIM, PF_MEMALLOC
from mmtwin.pages.kswapd import MAX_RECLAIM_RETRIES
from mmtwin.pages.request import Request

COSTLY = g.PAGE_ALLOC_COSTLY_ORDER
MAX_COMPACT_RETRIES = 16
ROUNDS_MAX = 1000
"""Rounds in a row without reclaim after which a request counts as stuck: a kernel would go on."""


@dataclass(slots=True)
class Attempt:
    """The local variables of one trip through the slow path."""

    gfp: int
    order: int
    highest_zoneidx: int
    zonelist: int
    alloc_flags: int
    no_progress_loops: int = 0
    compaction_retries: int = 0
    compact_priority: int = COMPACT_PRIO_SYNC_LIGHT
    compact_result: int = COMPACT_SKIPPED
    pages_reclaimed: int = 0
    idle_rounds: int = 0


class SlowPath(Request):
    """What is tried once the LOW marks forbid a request."""

    def alloc_pages_slowpath(
        self, gfp: u64, order: i32, highest_zoneidx: i32, zonelist: u64
    ) -> u64:
        """A chunk, or 0 if all of it fails."""
        if gfp & self.gfp_atomic and gfp & self.gfp_direct_reclaim:
            raise KernelWarning(
                "__GFP_ATOMIC and __GFP_DIRECT_RECLAIM at once", "__alloc_pages_slowpath"
            )
        flags = self.gfp_to_alloc_flags(gfp, order)
        at = Attempt(gfp, order, highest_zoneidx, zonelist, flags)
        if self.wakes_kswapd(gfp, flags):
            self.wake_all_kswapds(gfp, order, highest_zoneidx, zonelist)
        if page := self._from_freelist(at):
            return page
        can_sleep = bool(gfp & self.gfp_direct_reclaim)
        if can_sleep and gfp & self.gfp_io and not self.gfp_pfmemalloc_flags(gfp):
            unmovable = order > 0 and self.gfp_migratetype(gfp) != self.mt_movable
            if order > COSTLY or unmovable:
                if page := self.alloc_pages_direct_compact(at, COMPACT_PRIO_ASYNC):
                    return page
                if order > COSTLY and gfp & self.gfp_noretry:
                    # A large chunk is a wish: where compaction was of no use, nobody waits for it.
                    if at.compact_result in (COMPACT_SKIPPED, COMPACT_DEFERRED):
                        return 0
                    if gfp & self.gfp_thisnode:
                        return 0
                    at.compact_priority = COMPACT_PRIO_ASYNC
        while True:
            self.count_round(at)
            page, again = self._round(at)
            if page:
                return page
            if again:
                continue
            if not gfp & self.gfp_nofail:
                return 0
            if not can_sleep or self.current & PF_MEMALLOC:
                raise KernelWarning("__GFP_NOFAIL from who may not wait", "__alloc_pages_slowpath")
            if page := self._from_freelist(at, g.ALLOC_MIN_RESERVE | g.ALLOC_CPUSET):
                return page

    def count_round(self, at: Attempt) -> None:
        """Another round begins: no request may go on forever without anything being reclaimed."""
        at.idle_rounds += 1
        if at.idle_rounds > ROUNDS_MAX:
            raise KernelWarning(
                f"a request of order {at.order} retries forever", "__alloc_pages_slowpath"
            )

    def wakes_kswapd(self, gfp: int, alloc_flags: int) -> bool:
        """Does the request ask for kswapd's help?"""
        return bool(alloc_flags & g.ALLOC_KSWAPD)

    def _from_freelist(self, at: Attempt, alloc_flags: int | None = None, gfp: int = 0) -> int:
        return self.get_page_from_freelist(
            gfp or at.gfp,
            at.order,
            at.alloc_flags if alloc_flags is None else alloc_flags,
            at.highest_zoneidx,
            at.zonelist,
        )

    def _round(self, at: Attempt) -> tuple[int, bool]:
        """One round from the label ``retry``: a chunk or 0, and whether another one makes sense."""
        gfp, order = at.gfp, at.order
        if self.wakes_kswapd(gfp, at.alloc_flags):
            self.wake_all_kswapds(gfp, order, at.highest_zoneidx, at.zonelist)
        reserves = self.gfp_pfmemalloc_flags(gfp)
        if reserves:
            kept = reserves | (at.alloc_flags & g.ALLOC_KSWAPD)
            at.alloc_flags = self.gfp_to_alloc_flags_cma(gfp, kept)
        if page := self._from_freelist(at):
            return page, False
        if not gfp & self.gfp_direct_reclaim or self.current & PF_MEMALLOC:
            return 0, False
        page, progress = self.alloc_pages_direct_reclaim(at)
        if page := page or self.alloc_pages_direct_compact(at, at.compact_priority):
            return page, False
        if gfp & self.gfp_noretry:
            return 0, False
        can_compact = bool(gfp & self.gfp_io)
        if order > COSTLY and not (can_compact and gfp & self.gfp_retry_mayfail):
            return 0, False
        if self.should_reclaim_retry(at, progress > 0):
            return 0, True
        if progress and can_compact and self.should_compact_retry(at):
            return 0, True
        page, progress = self.alloc_pages_may_oom(at)
        if page:
            return page, False
        if self.current & OOM_VICTIM and (
            at.alloc_flags & g.ALLOC_OOM or gfp & self.gfp_nomemalloc
        ):
            return 0, False
        if progress:
            at.no_progress_loops = 0
        return 0, bool(progress)

    def alloc_pages_direct_reclaim(self, at: Attempt) -> tuple[int, int]:
        """Free pages, then try again: a chunk or 0, and how many pages were freed."""
        before = self.current
        self.run_daemons()
        self.current = before | PF_MEMALLOC
        progress = self.try_to_free_pages(at.zonelist, at.order, at.gfp)
        self.current = before
        if not progress:
            return 0, 0
        at.idle_rounds = 0
        page = self._from_freelist(at)
        if not page:
            # What is set apart, and what other cpus have at hand.
            migratetype = self.gfp_migratetype(at.gfp)
            self.unreserve_highatomic_pageblock(at.zonelist, migratetype, False)
            self.drain_all_pages(0)
            page = self._from_freelist(at)
        return page, progress

    def alloc_pages_direct_compact(self, at: Attempt, priority: int) -> int:
        """Compact, then try again: a chunk or 0."""
        if not at.order:
            return 0
        before = self.current
        self.current = before | PF_MEMALLOC
        at.compact_result = self.try_to_compact_pages(
            at.gfp, at.order, at.alloc_flags, at.highest_zoneidx, at.zonelist, priority
        )
        self.current = before
        if at.compact_result == COMPACT_SKIPPED:
            return 0
        self.count_vm_event("compact_stall")
        page: int = self.captured
        if page:
            self.captured = 0
            self.take_captured(page, at.order, at.gfp)
        else:
            page = self._from_freelist(at)
        if page:
            zone = self.page_zone(page)
            self.memory.store(zone + c.ZONE_COMPACT_FLUSH, 0)
            self.compaction_defer_reset(zone, at.order, True)
        self.count_vm_event("compact_success" if page else "compact_fail")
        return page

    def take_captured(self, page: int, order: int, gfp: int) -> None:
        """Make the chunk that compaction captured the caller's."""
        zone = self.page_zone(page)
        self.add_to(zone + c.ZONE_USED, 1 << order)
        self.prep_new_page(page, order, bool(gfp & self.gfp_comp), bool(gfp & self.gfp_zero))

    def should_reclaim_retry(self, at: Attempt, progress: bool) -> bool:
        """Might reclaim still get a zone above its MIN mark? If not, what is set apart is freed."""
        at.no_progress_loops += 1
        if progress and at.order <= COSTLY:
            at.no_progress_loops = 0
        if at.no_progress_loops <= MAX_RECLAIM_RETRIES:
            for zone in self.zones_of(at.zonelist, at.highest_zoneidx):
                available = self.zone_reclaimable_pages(zone) + self.nr_free_pages(zone)
                mark = self.wmark_pages(zone, g.WMARK_MIN)
                if self._zone_watermark_ok(
                    zone, at.order, mark, at.highest_zoneidx, at.alloc_flags, available
                ):
                    return True
        return bool(
            self.unreserve_highatomic_pageblock(at.zonelist, self.gfp_migratetype(at.gfp), True)
        )

    def should_compact_retry(self, at: Attempt) -> bool:
        """Is compaction worth another round, perhaps with more effort?"""
        if not at.order:
            return False
        result = at.compact_result
        if result == COMPACT_SUCCESS:
            at.compaction_retries += 1
        if result == COMPACT_SKIPPED:
            return self.compaction_zonelist_suitable(
                at.order, at.alloc_flags, at.highest_zoneidx, at.zonelist
            )
        give_up = result in (
            COMPACT_COMPLETE,
            COMPACT_DEFERRED,
            COMPACT_CONTENDED,
            COMPACT_PARTIAL_SKIPPED,
        )
        most = MAX_COMPACT_RETRIES // 4 if at.order > COSTLY else MAX_COMPACT_RETRIES
        if not give_up and at.compaction_retries <= most:
            return True
        return self.raise_compact_priority(at)

    def raise_compact_priority(self, at: Attempt) -> bool:
        """Let the next round's compaction go to greater lengths; False if it cannot."""
        least = COMPACT_PRIO_SYNC_LIGHT if at.order > COSTLY else COMPACT_PRIO_SYNC_FULL
        if at.compact_priority > least:
            at.compact_priority -= 1
            at.compaction_retries = 0
            return True
        return False

    def alloc_pages_may_oom(self, at: Attempt) -> tuple[int, int]:
        """A last look, then the OOM killer: a chunk or 0, and whether that may have helped."""
        last = g.WMARK_HIGH | g.ALLOC_CPUSET
        if page := self._from_freelist(at, last, at.gfp & ~self.gfp_direct_reclaim):
            return page, 1
        if at.order > COSTLY or at.gfp & (self.gfp_retry_mayfail | self.gfp_thisnode):
            return 0, 0
        if at.highest_zoneidx < 2:
            return 0, 0
        if not self.out_of_memory(at.gfp, at.order) and not at.gfp & self.gfp_nofail:
            return 0, 0
        if at.gfp & self.gfp_nofail:
            return self._from_freelist(at, g.ALLOC_NO_WATERMARKS), 1
        return 0, 1
