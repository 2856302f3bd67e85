"""kswapd and kcompactd: woken by requests that find memory short, at work until it is not.

The twin has no scheduler. A daemon that was woken runs when its turn comes: between the steps of
a program, and when a task sleeps in direct reclaim (``run_daemons``).
"""

from __future__ import annotations

from mmtwin.pages import gfp as g
from mmtwin.pages import layouts as c
from mmtwin.pages import node_layouts as n
from mmtwin.pages.compact_scan import MIGRATE_SYNC_LIGHT, CompactControl
from mmtwin.pages.compaction import (
    COMPACT_COMPLETE,
    COMPACT_CONTINUE,
    COMPACT_PARTIAL_SKIPPED,
    COMPACT_SUCCESS,
    compact_gap,
)
from mmtwin.pages.gfp_request import PF_KSWAPD, PF_MEMALLOC
from mmtwin.pages.shrink import DEF_PRIORITY, SWAP_CLUSTER_MAX, ScanControl
from mmtwin.pages.vmscan import Vmscan

MAX_RECLAIM_RETRIES = 16


class Kswapd(Vmscan):
    """``wakeup_kswapd``, ``balance_pgdat``, ``kcompactd_do_work``."""

    # Waking.

    def wakeup_kswapd(self, zone: int, gfp: int, order: int, highest_zoneidx: int) -> None:
        """A request found a zone below its LOW mark, or boosted it."""
        if not self.managed_pages(zone):
            return
        node = self.zone_to_nid(zone)
        current = self.node_word(node, "kswapd_highest_zoneidx")
        if current == n.NO_ZONE or current < highest_zoneidx:
            self.put_node_word(node, "kswapd_highest_zoneidx", highest_zoneidx)
        if self.node_word(node, "kswapd_order") < order:
            self.put_node_word(node, "kswapd_order", order)
        if self.current_is_kswapd() or self.node_word(node, "kswapd_woken"):
            return
        balanced = self.pgdat_balanced(node, order, highest_zoneidx)
        if self.node_word(node, "kswapd_failures") >= MAX_RECLAIM_RETRIES or (
            balanced and not self.pgdat_watermark_boosted(node, highest_zoneidx)
        ):
            if not gfp & self.gfp_direct_reclaim:
                self.wakeup_kcompactd(node, order, highest_zoneidx)
            return
        self.put_node_word(node, "kswapd_woken", 1)

    def wake_all_kswapds(self, gfp: int, order: int, highest_zoneidx: int, zonelist: int) -> None:
        """Wake the kswapd of each node that the request may use."""
        last = -1
        for zone in self.zones_of(zonelist, highest_zoneidx):
            node = self.zone_to_nid(zone)
            if node != last and self.managed_pages(zone):
                self.wakeup_kswapd(zone, gfp, order, highest_zoneidx)
                last = node

    def _node_zones(self, node: int, highest_zoneidx: int) -> list[int]:
        zones = [self.zone_at(node, index) for index in range(min(highest_zoneidx, 4) + 1)]
        return [zone for zone in zones if self.managed_pages(zone)]

    def pgdat_watermark_boosted(self, node: int, highest_zoneidx: int) -> bool:
        """Is any mark boosted?"""
        zones = self._node_zones(node, highest_zoneidx)
        return any(self.memory.load(zone + c.ZONE_BOOST) for zone in zones)

    def pgdat_balanced(self, node: int, order: int, highest_zoneidx: int) -> bool:
        """Does the HIGH mark of one zone hold, with a chunk of the order free?"""
        zones = self._node_zones(node, highest_zoneidx)
        return not zones or any(
            self.zone_watermark_ok(
                zone, order, self.wmark_pages(zone, g.WMARK_HIGH), highest_zoneidx, 0
            )
            for zone in zones
        )

    def wakeup_kcompactd(self, node: int, order: int, highest_zoneidx: int) -> None:
        """kswapd is content, but chunks are wanted."""
        if order and self.node_word(node, "kcompactd_max_order") < order:
            self.put_node_word(node, "kcompactd_max_order", order)
            self.put_node_word(node, "kcompactd_highest_zoneidx", highest_zoneidx)

    # Running.

    def run_daemons(self) -> bool:
        """Let every daemon that was woken work until it sleeps; True if there was one."""
        if not self.daemons_woken():
            return False
        for node in range(self.nodes):
            if self.node_word(node, "kswapd_woken"):
                self.kswapd(node)
            if self.node_word(node, "kcompactd_max_order"):
                self.kcompactd_do_work(node)
        return True

    def kswapd(self, node: int) -> None:
        """From waking to sleeping: for the order asked for, then for single pages."""
        before = self.current
        self.current = before | PF_MEMALLOC | PF_KSWAPD
        order = self.node_word(node, "kswapd_order")
        highest = self.node_word(node, "kswapd_highest_zoneidx")
        highest = 4 if highest == n.NO_ZONE else highest
        wanted = order
        while True:
            self.put_node_word(node, "kswapd_order", 0)
            self.put_node_word(node, "kswapd_highest_zoneidx", n.NO_ZONE)
            aimed = self.balance_pgdat(node, wanted, highest)
            failed = self.node_word(node, "kswapd_failures") >= MAX_RECLAIM_RETRIES
            if failed or self.pgdat_balanced(node, aimed, highest):
                break
            wanted = self.node_word(node, "kswapd_order")
        flags = self.node_word(node, "flags")
        self.put_node_word(node, "flags", flags & ~(n.PGDAT_DIRTY | n.PGDAT_WRITEBACK))
        self.reset_isolation_suitable(node)
        self.wakeup_kcompactd(node, order, highest)
        self.put_node_word(node, "kswapd_woken", 0)
        self.current = before

    def kswapd_age_node(self, node: int, sc: ScanControl) -> None:
        """Keep some anonymous pages inactive, if they could be swapped out at all."""
        if self.total_swap_pages() and self.inactive_is_low(node, False):
            self.shrink_active_list(SWAP_CLUSTER_MAX, node, sc, n.LRU_ACTIVE_ANON)

    def kswapd_shrink_node(self, node: int, sc: ScanControl) -> bool:
        """One round; True if enough was looked at for this priority."""
        sc.nr_to_reclaim = sum(
            max(self.wmark_pages(zone, g.WMARK_HIGH), SWAP_CLUSTER_MAX)
            for zone in self._node_zones(node, sc.reclaim_idx)
        )
        self.shrink_node(node, sc)
        if sc.order and sc.nr_reclaimed >= compact_gap(sc.order):
            sc.order = 0
        return sc.nr_scanned >= sc.nr_to_reclaim

    def _set_reclaim_active(self, node: int, highest_zoneidx: int, active: bool) -> None:
        for zone in self._node_zones(node, highest_zoneidx):
            flags = self.memory.load(zone + c.ZONE_FLAGS) & ~c.RECLAIM_ACTIVE
            self.memory.store(zone + c.ZONE_FLAGS, flags | (c.RECLAIM_ACTIVE if active else 0))

    def balance_pgdat(self, node: int, order: int, highest_zoneidx: int) -> int:
        """Free pages until a zone is above its HIGH mark, or of boosted blocks as many as boosted.

        The order that was aimed at in the end: 0 if single pages had to do.
        """
        sc = ScanControl(self.era.gfp.value("GFP_KERNEL"), order, highest_zoneidx)
        self.count_vm_event("pageoutrun")
        boosts = {
            zone: boost
            for zone in self._node_zones(node, highest_zoneidx)
            if (boost := self.memory.load(zone + c.ZONE_BOOST))
        }
        boost_reclaim = sum(boosts.values())
        if not self._balance(node, sc, highest_zoneidx, boost_reclaim) and not sc.nr_reclaimed:
            failures = self.node_word(node, "kswapd_failures")
            self.put_node_word(node, "kswapd_failures", failures + 1)
        self._set_reclaim_active(node, highest_zoneidx, False)
        for zone, boost in boosts.items():
            now = self.memory.load(zone + c.ZONE_BOOST)
            self.memory.store(zone + c.ZONE_BOOST, now - min(now, boost))
        if boosts:
            self.wakeup_kcompactd(node, self.pageblock_order, highest_zoneidx)
        self.snapshot_refaults(node)
        return sc.order

    def _balance(self, node: int, sc: ScanControl, highest: int, boost_reclaim: int) -> bool:
        """Rounds of rising effort; True if the node is balanced."""
        self._set_reclaim_active(node, highest, True)
        while sc.priority >= 1:
            before = sc.nr_reclaimed
            raise_priority = True
            balanced = self.pgdat_balanced(node, sc.order, highest)
            if not balanced and boost_reclaim:
                boost_reclaim = 0
                sc.priority = DEF_PRIORITY
                continue
            if balanced and not boost_reclaim:
                return True
            if boost_reclaim and sc.priority == DEF_PRIORITY - 2:
                raise_priority = False
            sc.may_writepage = sc.may_swap = not boost_reclaim
            self.kswapd_age_node(node, sc)
            if sc.priority < DEF_PRIORITY - 2:
                sc.may_writepage = True
            sc.nr_scanned = 0
            if self.kswapd_shrink_node(node, sc):
                raise_priority = False
            freed = sc.nr_reclaimed - before
            boost_reclaim -= min(boost_reclaim, freed)
            if boost_reclaim and not freed:
                break
            if raise_priority or not freed:
                sc.priority -= 1
        return False

    def kcompactd_do_work(self, node: int) -> None:
        """Compact the zones that have room enough, for the largest order asked for."""
        order = self.node_word(node, "kcompactd_max_order")
        highest = self.node_word(node, "kcompactd_highest_zoneidx")
        self.count_vm_event("compact_daemon_wake")
        for zone in self._node_zones(node, highest):
            if self.compaction_deferred(zone, order):
                continue
            suitable = self.compaction_suitable(zone, order, 0, self.zone_idx(zone))
            if suitable != COMPACT_CONTINUE:
                continue
            gfp = self.era.gfp.value("GFP_KERNEL")
            cc = CompactControl(zone, node, order, gfp, MIGRATE_SYNC_LIGHT, highest_zoneidx=highest)
            status = self.compact_zone(cc)
            if status == COMPACT_SUCCESS:
                self.compaction_defer_reset(zone, order, False)
            elif status in (COMPACT_PARTIAL_SKIPPED, COMPACT_COMPLETE):
                self.drain_all_pages(zone)
                self.defer_compaction(zone, order)
        self.put_node_word(node, "kcompactd_max_order", 0)
