"""Compaction of a zone: whether it is worth it, the run, when it is put off, and kcompactd."""

from __future__ import annotations

import cython

from mmtwin.pages import gfp as g
from mmtwin.pages import layouts as c
from mmtwin.pages.compact_scan import MIGRATE_ASYNC, MIGRATE_SYNC_LIGHT, CompactControl, CompactScan

if not cython.compiled:
    from mmtwin.pages.words import load, store

(
    COMPACT_NOT_SUITABLE_ZONE,
    COMPACT_SKIPPED,
    COMPACT_DEFERRED,
    COMPACT_NO_SUITABLE_PAGE,
    COMPACT_CONTINUE,
    COMPACT_COMPLETE,
    COMPACT_PARTIAL_SKIPPED,
    COMPACT_CONTENDED,
    COMPACT_SUCCESS,
) = range(9)
COMPACT_PRIO_SYNC_FULL, COMPACT_PRIO_SYNC_LIGHT, COMPACT_PRIO_ASYNC = range(3)
COMPACT_MAX_DEFER_SHIFT = 6
EXTFRAG_THRESHOLD = 500
"""vm.extfrag_threshold: at most this index of 1000 says that memory is short, not fragmented."""


def compact_gap(order: int) -> int:
    """Free pages that compaction needs beside the watermark."""
    return 2 << order


class Compaction(CompactScan):
    """``compact_zone`` and its callers.

    A page that is freed while its compactor waits for one of that order is captured: no other
    request can have it.
    """

    # Whether.

    def fragmentation_index(self, zone: int, order: int) -> int:
        """-1000 if a request would succeed; near 0 memory is short, near 1000 fragmented."""
        heads = [self.nr_free(zone, o) for o in range(self.order_max + 1)]
        if any(heads[order:]):
            return -1000
        total = sum(heads)
        if not total:
            return 0
        free = sum(count << o for o, count in enumerate(heads))
        return 1000 - (1000 + free * 1000 // (1 << order)) // total

    def _compaction_suitable(
        self, zone: int, order: int, alloc_flags: int, highest_zoneidx: int, free: int
    ) -> int:
        """COMPACT_SUCCESS if there is a chunk already, _SKIPPED if too little is free."""
        if order < 0:
            return COMPACT_CONTINUE
        mark = self.wmark_pages(zone, alloc_flags & 3)
        if self.zone_watermark_ok(zone, order, mark, highest_zoneidx, alloc_flags):
            return COMPACT_SUCCESS
        mark = self.wmark_pages(
            zone, g.WMARK_LOW if order > g.PAGE_ALLOC_COSTLY_ORDER else g.WMARK_MIN
        )
        mark += compact_gap(order)
        if not self._zone_watermark_ok(zone, 0, mark, highest_zoneidx, g.ALLOC_CMA, free):
            return COMPACT_SKIPPED
        return COMPACT_CONTINUE

    def compaction_suitable(
        self, zone: int, order: int, alloc_flags: int, highest_zoneidx: int
    ) -> int:
        """As above for what is free now; and large orders only where fragmentation is to blame."""
        result = self._compaction_suitable(
            zone, order, alloc_flags, highest_zoneidx, self.nr_free_pages(zone)
        )
        if result == COMPACT_CONTINUE and order > g.PAGE_ALLOC_COSTLY_ORDER:
            index = self.fragmentation_index(zone, order)
            if 0 <= index <= EXTFRAG_THRESHOLD:
                result = COMPACT_SKIPPED
        return result

    # Putting off.

    def _zone_word(self, zone: int, offset: int) -> int:
        return load(self.memory, zone + offset)

    def defer_compaction(self, zone: int, order: int) -> None:
        """It did not help: the next 1 << compact_defer_shift requests go without."""
        store(self.memory, zone + c.ZONE_COMPACT_CONSIDERED, 0)
        shift = self._zone_word(zone, c.ZONE_COMPACT_DEFER_SHIFT) + 1
        store(self.memory, zone + c.ZONE_COMPACT_DEFER_SHIFT, min(shift, COMPACT_MAX_DEFER_SHIFT))
        if order < self._zone_word(zone, c.ZONE_COMPACT_ORDER_FAILED):
            store(self.memory, zone + c.ZONE_COMPACT_ORDER_FAILED, order)

    def compaction_deferred(self, zone: int, order: int) -> bool:
        """Is it to be skipped this time?"""
        if order < self._zone_word(zone, c.ZONE_COMPACT_ORDER_FAILED):
            return False
        limit = 1 << self._zone_word(zone, c.ZONE_COMPACT_DEFER_SHIFT)
        considered = self._zone_word(zone, c.ZONE_COMPACT_CONSIDERED) + 1
        store(self.memory, zone + c.ZONE_COMPACT_CONSIDERED, min(considered, limit))
        return considered < limit

    def compaction_defer_reset(self, zone: int, order: int, success: bool) -> None:
        """It helped, or is expected to have."""
        if success:
            store(self.memory, zone + c.ZONE_COMPACT_CONSIDERED, 0)
            store(self.memory, zone + c.ZONE_COMPACT_DEFER_SHIFT, 0)
        if order >= self._zone_word(zone, c.ZONE_COMPACT_ORDER_FAILED):
            store(self.memory, zone + c.ZONE_COMPACT_ORDER_FAILED, order + 1)

    def compaction_restarting(self, zone: int, order: int) -> bool:
        """Is this the first run after the longest pause?"""
        shift = self._zone_word(zone, c.ZONE_COMPACT_DEFER_SHIFT)
        return (
            order >= self._zone_word(zone, c.ZONE_COMPACT_ORDER_FAILED)
            and shift == COMPACT_MAX_DEFER_SHIFT
            and self._zone_word(zone, c.ZONE_COMPACT_CONSIDERED) >= 1 << shift
        )

    # What is remembered of blocks.

    def reset_cached_positions(self, zone: int) -> None:
        """The scanners begin at the ends of the zone again."""
        start = self.zone_start_pfn(zone)
        store(self.memory, zone + c.ZONE_COMPACT_MIGRATE, start)
        store(self.memory, zone + c.ZONE_COMPACT_MIGRATE + 8, start)
        last = self.block_start(self.zone_end_pfn(zone) - 1)
        store(self.memory, zone + c.ZONE_COMPACT_FREE, last)

    def _reset_isolation_pfn(self, zone: int, pfn: int, source: bool, target: bool) -> bool:
        """Clear the skip bit of a block in which a sample finds LRU pages, or free ones."""
        page = self.pfn_to_page(pfn)
        if self.page_head(page) and self.compound_order(page) >= self.pageblock_order:
            return False
        if source and target and not self.get_pageblock_skip(page):
            return True
        if not source and target and self.get_pfnblock_migratetype(pfn) != self.mt_movable:
            return False
        first = max(self.block_start(pfn), self.zone_start_pfn(zone))
        last = min(self.block_start(pfn) + self.pageblock_nr_pages, self.zone_end_pfn(zone))
        for at in range(first, last, 1 << g.PAGE_ALLOC_COSTLY_ORDER):
            if (source and self.test_page_flag(self.pfn_to_page(at), self.flag_lru)) or (
                target and self.free_chunk_order(at) >= 0
            ):
                self.clear_pageblock_skip(page)
                return True
        return False

    def _reset_isolation_suitable(self, zone: int) -> None:
        """Forget the skip bits, and begin at the outermost blocks that may serve."""
        if not self._zone_word(zone, c.ZONE_COMPACT_FLUSH):
            return
        store(self.memory, zone + c.ZONE_COMPACT_FLUSH, 0)
        migrate, free = self.zone_start_pfn(zone), self.zone_end_pfn(zone) - 1
        reset_migrate, reset_free = free, migrate
        source_set = free_set = False
        while migrate < free:
            if self._reset_isolation_pfn(zone, migrate, True, source_set) and (
                migrate < reset_migrate
            ):
                source_set = True
                reset_migrate = migrate
                store(self.memory, zone + c.ZONE_COMPACT_INIT_MIGRATE, migrate)
                store(self.memory, zone + c.ZONE_COMPACT_MIGRATE, migrate)
                store(self.memory, zone + c.ZONE_COMPACT_MIGRATE + 8, migrate)
            if self._reset_isolation_pfn(zone, free, free_set, True) and free > reset_free:
                free_set = True
                reset_free = free
                store(self.memory, zone + c.ZONE_COMPACT_INIT_FREE, free)
                store(self.memory, zone + c.ZONE_COMPACT_FREE, free)
            migrate += self.pageblock_nr_pages
            free -= self.pageblock_nr_pages
        if reset_migrate >= reset_free:
            store(self.memory, zone + c.ZONE_COMPACT_MIGRATE, migrate)
            store(self.memory, zone + c.ZONE_COMPACT_MIGRATE + 8, migrate)
            store(self.memory, zone + c.ZONE_COMPACT_FREE, free)

    def reset_isolation_suitable(self, node: int) -> None:
        """Before kswapd sleeps: forget the skip bits of zones that were compacted as a whole."""
        for zone in self.populated_zones():
            if self.zone_to_nid(zone) == node:
                self._reset_isolation_suitable(zone)

    # The run.

    def compact_finished(self, cc: CompactControl) -> int:
        """COMPACT_CONTINUE, or how the run ends."""
        if cc.free_pfn >> self.pageblock_order <= cc.migrate_pfn >> self.pageblock_order:
            self.reset_cached_positions(cc.zone)
            if cc.direct_compaction:
                store(self.memory, cc.zone + c.ZONE_COMPACT_FLUSH, 1)
            return COMPACT_COMPLETE if cc.whole_zone else COMPACT_PARTIAL_SKIPPED
        if cc.order < 0 or cc.migrate_pfn & (self.pageblock_nr_pages - 1):
            return COMPACT_CONTINUE
        for order in range(cc.order, self.order_max + 1):
            if self._chunk_for(cc, order):
                return COMPACT_SUCCESS
        return COMPACT_CONTINUE

    def _chunk_for(self, cc: CompactControl, order: int) -> bool:
        """Is a chunk of that order free that the request may have without mixing a block?"""
        lists = [cc.migratetype]
        if cc.migratetype == self.mt_movable and self.mt_cma >= 0:
            lists.append(self.mt_cma)
        if self.can_steal_fallback(order, cc.migratetype):
            nth = 0
            while (other := self.fallback_type(cc.migratetype, nth)) >= 0:
                lists.append(other)
                nth += 1
        return any(not self.list_empty(self.free_list(cc.zone, order, mt)) for mt in lists)

    def _start(self, cc: CompactControl) -> None:
        """Where the scanners begin: where the last run ended, or at the ends of the zone."""
        zone = cc.zone
        start, end = self.zone_start_pfn(zone), self.zone_end_pfn(zone)
        sync = int(cc.mode != MIGRATE_ASYNC)
        if cc.whole_zone:
            cc.migrate_pfn, cc.free_pfn = start, self.block_start(end - 1)
            return
        cc.migrate_pfn = self._zone_word(zone, c.ZONE_COMPACT_MIGRATE + 8 * sync)
        cc.free_pfn = self._zone_word(zone, c.ZONE_COMPACT_FREE)
        if not start <= cc.free_pfn < end:
            cc.free_pfn = self.block_start(end - 1)
            store(self.memory, zone + c.ZONE_COMPACT_FREE, cc.free_pfn)
        if not start <= cc.migrate_pfn < end:
            cc.migrate_pfn = start
            store(self.memory, zone + c.ZONE_COMPACT_MIGRATE, start)
            store(self.memory, zone + c.ZONE_COMPACT_MIGRATE + 8, start)
        cc.whole_zone = cc.migrate_pfn <= self._zone_word(zone, c.ZONE_COMPACT_INIT_MIGRATE)

    def compact_zone(self, cc: CompactControl) -> int:
        """Move pages from the low end of a zone to the high end until a chunk is free."""
        zone = cc.zone
        cc.migratetype = self.gfp_migratetype(cc.gfp)
        result = self.compaction_suitable(zone, cc.order, cc.alloc_flags, cc.highest_zoneidx)
        if result in (COMPACT_SUCCESS, COMPACT_SKIPPED):
            return result
        if self.compaction_restarting(zone, cc.order):
            self._reset_isolation_suitable(zone)
        self._start(cc)
        at = zone + c.ZONE_COMPACT_MIGRATE
        update_cached = cc.mode == MIGRATE_ASYNC and (
            load(self.memory, at) == load(self.memory, at + 8)
        )
        head = self.private_list(cc.node, "migratepages")
        last_migrated = 0
        while (result := self.compact_finished(cc)) == COMPACT_CONTINUE:
            begun = cc.migrate_pfn
            cc.rescan = self.block_start(last_migrated) == self.block_start(begun)
            if self.isolate_migratepages(cc):
                update_cached = False
                last_migrated = begun
                moved = self._migrate(cc, head)
                if moved is None:
                    result = COMPACT_CONTENDED
                    break
                if not moved:
                    last_migrated = 0
            elif update_cached:
                store(self.memory, at + 8, load(self.memory, at))
            if cc.order > 0 and last_migrated and last_migrated < cc.migrate_pfn & -(1 << cc.order):
                self.drain_pages_zone(self.cpu, zone)
                last_migrated = 0
            if self.captured:
                result = COMPACT_SUCCESS
                break
        self._finish(cc)
        return result

    def _migrate(self, cc: CompactControl, head: int) -> bool | None:
        """Move what was isolated; False if a run was given up, None if there is nowhere to go."""
        _, short = self.migrate_pages(
            head, lambda page: self.compaction_alloc(cc), lambda new: self.compaction_free(cc, new)
        )
        cc.nr_migratepages = 0
        if self.list_empty(head):
            return True
        self.putback_movable_pages(head)
        met = cc.free_pfn >> self.pageblock_order <= cc.migrate_pfn >> self.pageblock_order
        if short and not met:
            return None
        if cc.direct_compaction and cc.mode == MIGRATE_ASYNC:
            # One page that stays spoils its run: go on behind it.
            run = 1 << cc.order
            cc.migrate_pfn = ((cc.migrate_pfn - 1) & -run) + run
            return False
        return True

    def _finish(self, cc: CompactControl) -> None:
        """Give unused free pages back, remember where they were, count."""
        if not self.list_empty(self.private_list(cc.node, "freepages")):
            pfn = self.block_start(self.release_freepages(cc))
            if pfn > self._zone_word(cc.zone, c.ZONE_COMPACT_FREE):
                store(self.memory, cc.zone + c.ZONE_COMPACT_FREE, pfn)
        self.count_vm_event("compact_migrate_scanned", cc.total_migrate_scanned)
        self.count_vm_event("compact_free_scanned", cc.total_free_scanned)

    def try_to_compact_pages(
        self,
        gfp: int,
        order: int,
        alloc_flags: int,
        highest_zoneidx: int,
        zonelist: int,
        priority: int,
    ) -> int:
        """Compact the zones of a request until one has a chunk for it: the best result.

        ``captured`` is the chunk then, if one was taken at once.
        """
        best = COMPACT_SKIPPED
        if not gfp & self.gfp_io:
            return best
        full = priority == COMPACT_PRIO_SYNC_FULL
        for zone in self.zones_of(zonelist, highest_zoneidx):
            if not full and self.compaction_deferred(zone, order):
                best = max(best, COMPACT_DEFERRED)
                continue
            cc = CompactControl(
                zone,
                self.zone_to_nid(zone),
                order,
                gfp,
                MIGRATE_ASYNC if priority == COMPACT_PRIO_ASYNC else MIGRATE_SYNC_LIGHT,
                alloc_flags,
                highest_zoneidx,
                direct_compaction=True,
                whole_zone=full,
                ignore_skip_hint=full,
                ignore_block_suitable=full,
            )
            self.capture_zone, self.capture_order = zone, order
            status = self.compact_zone(cc)
            self.capture_zone = 0
            if self.captured:
                status = COMPACT_SUCCESS
            best = max(best, status)
            if status == COMPACT_SUCCESS:
                self.compaction_defer_reset(zone, order, False)
                break
            if priority != COMPACT_PRIO_ASYNC and status in (
                COMPACT_COMPLETE,
                COMPACT_PARTIAL_SKIPPED,
            ):
                self.defer_compaction(zone, order)
        return best

    def compact_memory(self) -> None:
        """Write 1 to vm.compact_memory: every zone as a whole."""
        for zone in self.populated_zones():
            gfp = self.era.gfp.value("GFP_KERNEL")
            cc = CompactControl(zone, self.zone_to_nid(zone), -1, gfp, 2)
            cc.whole_zone = cc.ignore_skip_hint = True
            self.compact_zone(cc)

    def compaction_zonelist_suitable(
        self, order: int, alloc_flags: int, highest_zoneidx: int, zonelist: int
    ) -> bool:
        """Would compaction be worth it if part of what can be reclaimed were free?"""
        return any(
            self._compaction_suitable(
                zone,
                order,
                alloc_flags,
                highest_zoneidx,
                self.zone_reclaimable_pages(zone) // order + self.nr_free_pages(zone),
            )
            == COMPACT_CONTINUE
            for zone in self.zones_of(zonelist, highest_zoneidx)
        )

    def zone_reclaimable_pages(self, zone: int) -> int:
        """Pages that reclaim could take from a zone; if there are none, the free ones."""
        lru = [load(self.memory, zone + c.ZONE_LRU + 8 * nth) for nth in range(4)]
        found = lru[2] + lru[3]
        if self.can_reclaim_anon_pages():
            found += lru[0] + lru[1]
        return found or self.nr_free_pages(zone)
