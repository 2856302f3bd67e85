"""Reclaim of nodes: how much of which list is looked at, and direct reclaim.

Rules of 6.1's mm/vmscan.c; shadow entries of evicted pages are not kept, so that refaults are
what the owner of the pages counts as ``workingset_activate_*``.
"""

from __future__ import annotations

from math import isqrt

from mmtwin.pages import gfp as g
from mmtwin.pages import layouts as c
from mmtwin.pages import node_layouts as n
from mmtwin.pages.compaction import COMPACT_CONTINUE, COMPACT_SKIPPED, COMPACT_SUCCESS, compact_gap
from mmtwin.pages.shrink import (
    DEACTIVATE_ANON,
    DEACTIVATE_FILE,
    DEF_PRIORITY,
    SWAP_CLUSTER_MAX,
    ScanControl,
    Shrink,
)

EQUAL, FRACT, ANON, FILE = range(4)
GIB_PAGES_SHIFT = 18


class Vmscan(Shrink):
    """``shrink_node`` and ``try_to_free_pages``."""

    # How much.

    def inactive_is_low(self, node: int, file: bool) -> bool:
        """Is the inactive list too short for its active one? The larger, the shorter it may be."""
        first = n.LRU_FILE if file else 0
        inactive = self.node_page_state(node, n.LRU_NAMES[first])
        active = self.node_page_state(node, n.LRU_NAMES[first + n.LRU_ACTIVE])
        gib = (inactive + active) >> GIB_PAGES_SHIFT
        return inactive * (isqrt(10 * gib) if gib else 1) < active

    def prepare_scan_count(self, node: int, sc: ScanControl) -> None:
        """What the state of the lists says about where to look."""
        sc.anon_cost, sc.file_cost = (
            self.node_word(node, "anon_cost"),
            self.node_word(node, "file_cost"),
        )
        if sc.force_deactivate:
            sc.may_deactivate = DEACTIVATE_ANON | DEACTIVATE_FILE
        else:
            for kind, bit in (("anon", DEACTIVATE_ANON), ("file", DEACTIVATE_FILE)):
                refaults = self.node_page_state(node, f"workingset_activate_{kind}")
                changed = refaults != self.node_word(node, f"refaults_{kind}")
                if changed or self.inactive_is_low(node, kind == "file"):
                    sc.may_deactivate |= bit
                else:
                    sc.may_deactivate &= ~bit
        file = self.node_page_state(node, "inactive_file")
        sc.cache_trim_mode = bool(file >> sc.priority) and not (sc.may_deactivate & DEACTIVATE_FILE)
        zones = [zone for zone in self.populated_zones() if self.zone_to_nid(zone) == node]
        free = sum(self.nr_free_pages(zone) for zone in zones)
        high = sum(self.wmark_pages(zone, g.WMARK_HIGH) for zone in zones)
        file += self.node_page_state(node, "active_file")
        anon = self.node_page_state(node, "inactive_anon")
        sc.file_is_tiny = (
            file + free <= high
            and not sc.may_deactivate & DEACTIVATE_ANON
            and bool(anon >> sc.priority)
        )

    def scan_balance(self, sc: ScanControl) -> int:
        """Which kinds of pages are looked at."""
        swappiness = self.vm_swappiness()
        if not sc.may_swap or not self.can_reclaim_anon_pages():
            return FILE
        if not sc.priority and swappiness:
            return EQUAL
        if sc.file_is_tiny:
            return ANON
        return FILE if sc.cache_trim_mode else FRACT

    def get_scan_count(self, node: int, sc: ScanControl) -> list[int]:
        """How many pages of the first four lists to look at, by swappiness and what each cost."""
        balance = self.scan_balance(sc)
        swappiness = self.vm_swappiness()
        total = sc.anon_cost + sc.file_cost
        anon_cost, file_cost = total + sc.anon_cost, total + sc.file_cost
        total = anon_cost + file_cost
        parts = (
            swappiness * (total + 1) // (anon_cost + 1),
            (200 - swappiness) * (total + 1) // (file_cost + 1),
        )
        counts = []
        for lru in range(4):
            file = bool(lru & n.LRU_FILE)
            size = sum(
                self.memory.load(zone + c.ZONE_LRU + 8 * lru)
                for zone in self.populated_zones()
                if self.zone_to_nid(zone) == node and self.zone_idx(zone) <= sc.reclaim_idx
            )
            scan = size >> sc.priority
            if balance == FRACT:
                scan = scan * parts[file] // sum(parts)
            elif balance != EQUAL and (balance == FILE) != file:
                scan = 0
            counts.append(scan)
        return counts

    # A node.

    def shrink_list(self, lru: int, nr_to_scan: int, node: int, sc: ScanControl) -> int:
        """Look at one list; how many pages were freed."""
        if lru & n.LRU_ACTIVE:
            if sc.may_deactivate & (DEACTIVATE_FILE if lru & n.LRU_FILE else DEACTIVATE_ANON):
                self.shrink_active_list(nr_to_scan, node, sc, lru)
            else:
                sc.skipped_deactivate = True
            return 0
        return self.shrink_inactive_list(nr_to_scan, node, sc, lru)

    def shrink_lruvec(self, node: int, sc: ScanControl) -> None:
        """Look at all lists in turns; with enough freed, finish in proportion."""
        left = self.get_scan_count(node, sc)
        targets = list(left)
        freed = 0
        adjusted = False
        proportional = not self.current_is_kswapd() and sc.priority == DEF_PRIORITY
        while left[n.LRU_INACTIVE_ANON] or left[n.LRU_ACTIVE_FILE] or left[n.LRU_INACTIVE_FILE]:
            for lru in range(4):
                if left[lru]:
                    scan = min(left[lru], SWAP_CLUSTER_MAX)
                    left[lru] -= scan
                    freed += self.shrink_list(lru, scan, node, sc)
            if freed < sc.nr_to_reclaim or adjusted or proportional:
                continue
            file = left[n.LRU_INACTIVE_FILE] + left[n.LRU_ACTIVE_FILE]
            anon = left[n.LRU_INACTIVE_ANON] + left[n.LRU_ACTIVE_ANON]
            if not file or not anon:
                break
            self._finish_in_proportion(left, targets, file, anon)
            adjusted = True
        sc.nr_reclaimed += freed
        if self.total_swap_pages() and self.inactive_is_low(node, False):
            self.shrink_active_list(SWAP_CLUSTER_MAX, node, sc, n.LRU_ACTIVE_ANON)

    def _finish_in_proportion(
        self, left: list[int], targets: list[int], file: int, anon: int
    ) -> None:
        """Stop the kind that has less left; of the other look at the same share and no more."""
        stopped, other = (0, n.LRU_FILE) if file > anon else (n.LRU_FILE, 0)
        target = targets[stopped] + targets[stopped + n.LRU_ACTIVE] + 1
        percentage = min(file, anon) * 100 // target
        left[stopped] = left[stopped + n.LRU_ACTIVE] = 0
        for lru in (other, other + n.LRU_ACTIVE):
            scanned = targets[lru] - left[lru]
            left[lru] = max(0, targets[lru] * (100 - percentage) // 100 - scanned)

    def shrink_node(self, node: int, sc: ScanControl) -> None:
        """Free pages of a node, again while compaction needs more and gets it."""
        reclaimable = False
        while True:
            sc.nr_unqueued_dirty = sc.nr_file_taken = 0
            before = sc.nr_reclaimed
            self.prepare_scan_count(node, sc)
            self.shrink_lruvec(node, sc)
            reclaimable = reclaimable or sc.nr_reclaimed > before
            if self.current_is_kswapd() and sc.nr_unqueued_dirty == sc.nr_file_taken:
                flags = self.node_word(node, "flags")
                self.put_node_word(node, "flags", flags | n.PGDAT_DIRTY)
            if not self.should_continue_reclaim(node, sc.nr_reclaimed - before, sc):
                break
        if reclaimable:
            self.put_node_word(node, "kswapd_failures", 0)

    def should_continue_reclaim(self, node: int, reclaimed: int, sc: ScanControl) -> bool:
        """Is more to be freed for compaction to have room?"""
        if not sc.order or not (
            sc.order > g.PAGE_ALLOC_COSTLY_ORDER or sc.priority < DEF_PRIORITY - 2
        ):
            return False
        if not reclaimed:
            return False
        for index in range(sc.reclaim_idx + 1):
            zone = self.zone_at(node, index)
            if self.managed_pages(zone) and self.compaction_suitable(
                zone, sc.order, 0, sc.reclaim_idx
            ) in (COMPACT_SUCCESS, COMPACT_CONTINUE):
                return False
        inactive = self.node_page_state(node, "inactive_file")
        if self.can_reclaim_anon_pages():
            inactive += self.node_page_state(node, "inactive_anon")
        return inactive > compact_gap(sc.order)

    def snapshot_refaults(self, node: int) -> None:
        """Remember the refaults, to see next time whether there were more."""
        for kind in ("anon", "file"):
            refaults = self.node_page_state(node, f"workingset_activate_{kind}")
            self.put_node_word(node, f"refaults_{kind}", refaults)

    # Direct reclaim.

    def compaction_ready(self, zone: int, sc: ScanControl) -> bool:
        """Is so much free already that compaction should go ahead?"""
        if not sc.gfp & self.gfp_io:
            return False
        suitable = self.compaction_suitable(zone, sc.order, 0, sc.reclaim_idx)
        if suitable in (COMPACT_SUCCESS, COMPACT_SKIPPED):
            return suitable == COMPACT_SUCCESS
        mark = self.wmark_pages(zone, g.WMARK_HIGH) + compact_gap(sc.order)
        return bool(self.zone_watermark_ok(zone, 0, mark, sc.reclaim_idx, 0))

    def shrink_zones(self, zonelist: int, sc: ScanControl) -> None:
        """Look at the node of each zone that the request may use, once each."""
        last = -1
        for zone in self.zones_of(zonelist, sc.reclaim_idx):
            if sc.order > g.PAGE_ALLOC_COSTLY_ORDER and self.compaction_ready(zone, sc):
                sc.compaction_ready = True
                continue
            node = self.zone_to_nid(zone)
            if node != last:
                last = node
                self.shrink_node(node, sc)

    def do_try_to_free_pages(self, zonelist: int, sc: ScanControl) -> int:
        """Look at ever more until enough is freed; how many pages were."""
        nodes = dict.fromkeys(
            self.zone_to_nid(zone) for zone in self.zones_of(zonelist, sc.reclaim_idx)
        )
        while True:
            self.count_vm_event("allocstall")
            while sc.priority >= 0:
                sc.nr_scanned = 0
                self.shrink_zones(zonelist, sc)
                if sc.nr_reclaimed >= sc.nr_to_reclaim or sc.compaction_ready:
                    break
                sc.priority -= 1
            for node in nodes:
                self.snapshot_refaults(node)
            if sc.nr_reclaimed or sc.compaction_ready:
                return sc.nr_reclaimed or 1
            if not sc.skipped_deactivate:
                return 0
            sc.priority = DEF_PRIORITY
            sc.force_deactivate = True
            sc.skipped_deactivate = False

    def try_to_free_pages(self, zonelist: int, order: int, gfp: int) -> int:
        """Direct reclaim for a request; how many pages were freed."""
        return self.do_try_to_free_pages(zonelist, ScanControl(gfp, order, self.gfp_zone(gfp)))
