"""The page allocator's counters after a step: from what it touched, without counting afresh."""

from __future__ import annotations

from array import array
from typing import Any

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.check.pages import PageCheck
from mmtwin.pages import layouts as c
from mmtwin.pages import node_layouts as n
from mmtwin.pages.page_alloc import PageAlloc

if not cython.compiled:
    from mmtwin.check.words import touched, was_word, word_changed

TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)
ZONE_SIZE = declare(u64, c.ZONE_SIZE)
ZONES_MAX = declare(u64, c.ZONES_MAX)
ZONE_PAGESETS = declare(u64, c.ZONE_PAGESETS)
ZONE_FREE_AREA = declare(u64, c.ZONE_FREE_AREA)
ZONE_NR_ISOLATE = declare(u64, c.ZONE_NR_ISOLATE)
FREE_AREA_SIZE = declare(u64, c.FREE_AREA_SIZE)
FREE_AREA_NR_FREE = declare(u64, c.FREE_AREA_NR_FREE)
PCP_SIZE = declare(u64, c.PCP_SIZE)
PCP_COUNT = declare(u64, c.PCP_COUNT)
PCP_LISTS = declare(u64, c.PCP_LISTS)
ZONE_PRISTINE_FIRST = declare(u64, c.ZONE_PRISTINE_FIRST)
ZONE_PRISTINE_END = declare(u64, c.ZONE_PRISTINE_END)
ZONE_NR_MIGRATE_RESERVE = declare(u64, c.ZONE_NR_MIGRATE_RESERVE)
ZONE_NR_RESERVED_HIGHATOMIC = declare(u64, c.ZONE_NR_RESERVED_HIGHATOMIC)
ZONE_PAGE_FLAGS = declare(u64, c.ZONE_PAGE_FLAGS)
ZONE_START_PFN = declare(u64, c.ZONE_START_PFN)
ZONE_SPANNED = declare(u64, c.ZONE_SPANNED)
NODE_SIZE = declare(u64, n.NODE_SIZE)
WALK_MAX = declare(u64, 4096)
DELTAS = declare(u64, 12)
OF_ZONE = declare(u64, 1)
OF_PCP = declare(u64, 2)
PCP_SHUFFLED = declare(u64, 4)
"""What of a zone was touched; and pages changed their places within a per-cpu list."""


class PageSums(PageCheck):
    """What changed since a mark, by zone: marked heads of each order and pages on per-cpu lists.

    ``overlay`` is another check's that is loaded already when this one is asked.
    """

    def __init__(self, pages: PageAlloc, **options: Any) -> None:
        super().__init__(pages, **options)
        self.zone_count = pages.nodes * c.ZONES_MAX
        self.deltas = array("q", bytes(8 * 12 * self.zone_count))
        self.touched_zones = array("Q", bytes(8 * self.zone_count))
        self.zones_at = pages.zones - pages.memory.base
        self.lru_deltas = array("q", bytes(8 * 5 * self.zone_count))
        self.whole_runs = 0
        self.quiet = True
        self.bitmap_touched = False
        self.nodes_touched = False
        self.nodes_end = self.nodes_at - self.base + pages.nodes * NODE_SIZE
        self._boundaries()

    def _boundaries(self) -> None:
        """Between which blocks the allocator's own words lie, those of swap and pages apart."""
        ends = [
            (self.zones_at, self.zones_at + self.zone_count * ZONE_SIZE),
            (self.nodes_at - self.base, self.nodes_end),
            (self.bitmap, self.bitmap + 8 * self.pages.pageblock_words),
        ]
        for zone in self.pages.populated_zones():
            pcp = self.word(zone + ZONE_PAGESETS) - self.base
            ends.append((pcp, pcp + self.pages.cpus * PCP_SIZE))
        self.first_block = min(first for first, _ in ends) >> 8
        self.last_block = (max(last for _, last in ends) + 255) >> 8

    def begin_sums(self) -> None:
        """Something of the allocator was touched; nothing has come or gone yet."""
        nth: u64 = 0
        while nth < self.zone_count * DELTAS:
            self.deltas[nth] = 0
            nth += 1
        nth = 0
        while nth < self.zone_count:
            self.touched_zones[nth] = 0
            nth += 1
        nth = 0
        while nth < 5 * self.zone_count:
            self.lru_deltas[nth] = 0
            nth += 1
        self.bitmap_touched = False
        self.nodes_touched = False
        self.quiet = False

    def _moved(self, nth: u64) -> bint:
        """Did chunks of a zone come or go?"""
        order: u64 = 0
        while order < DELTAS:
            if self.deltas[nth * DELTAS + order] != 0:
                return True
            order += 1
        return False

    def _zone_sums(self, nth: u64) -> bint:
        """Do the counters of a touched zone look wrong?"""
        at: u64 = self.zones_at + nth * ZONE_SIZE
        zone: u64 = self.base + at
        order: i32 = 0
        word: u64
        listed: u64 = 0
        if self._reshaped(at):
            return True
        if self.word(zone + ZONE_PAGESETS) == 0:
            return False
        while order <= self.order_max:
            word = at + ZONE_FREE_AREA + order * FREE_AREA_SIZE + FREE_AREA_NR_FREE
            listed += self.w[word >> 3] << order
            if (
                self.w[word >> 3]
                != (was_word(self.overlay, word >> 3) + self.deltas[nth * DELTAS + order]) & TOP
            ):
                return True
            if self.touched_zones[nth] & OF_ZONE != 0 and self._heads_wrong(zone, order):
                return True
            order += 1
        pcp: u64 = self._pcp_sum(nth, zone)
        if pcp == TOP:
            return True
        self.listed_pages = listed
        if self._special_walk(zone):
            return True
        self.conserved(zone, listed, pcp)
        self.marks(zone)
        if self.bitmap_touched or self._block_counts_changed(at):
            self.blocks(zone)
        return len(self.found) > 0

    def _block_counts_changed(self, at: u64) -> bint:
        """Did one of the zone's counts of pageblocks change?"""
        return (
            word_changed(self.overlay, (at + ZONE_NR_ISOLATE) >> 3)
            or word_changed(self.overlay, (at + ZONE_NR_RESERVED_HIGHATOMIC) >> 3)
            or word_changed(self.overlay, (at + ZONE_NR_MIGRATE_RESERVE) >> 3)
        )

    def _reshaped(self, at: u64) -> bint:
        """Did a word change that says which frames and lists are the zone's?"""
        return (
            word_changed(self.overlay, (at + ZONE_START_PFN) >> 3)
            or word_changed(self.overlay, (at + ZONE_SPANNED) >> 3)
            or word_changed(self.overlay, (at + ZONE_PRISTINE_FIRST) >> 3)
            or word_changed(self.overlay, (at + ZONE_PRISTINE_END) >> 3)
            or word_changed(self.overlay, (at + ZONE_PAGESETS) >> 3)
            or word_changed(self.overlay, (at + ZONE_PAGE_FLAGS) >> 3)
        )

    def _heads_wrong(self, zone: u64, order: i32) -> bint:
        """Do the first and last entries of an order's lists name their head?

        An entry that was touched has looked at its neighbours, the head among them.
        """
        head: u64 = zone + ZONE_FREE_AREA + order * FREE_AREA_SIZE
        end: u64 = head + 16 * self.types
        first: u64 = (head - self.base) >> 3
        if not touched(self.overlay, first) and not touched(self.overlay, (end - self.base) >> 3):
            return False
        while head < end:
            if self.link(self.link(head, False), True) != head:
                return True
            if self.link(self.link(head, True), False) != head:
                return True
            head += 16
        return False

    def _special_walk(self, zone: u64) -> bint:
        """Count the pages on isolated and CMA lists, and the sums that depend on them."""
        isolated: u64 = self._listed_of(zone, self.pages.mt_isolate)
        cma: u64 = self._listed_of(zone, self.pages.mt_cma)
        if isolated == TOP or cma == TOP:
            return True
        self.counters(zone, isolated, cma)
        return len(self.found) > 0

    def _listed_of(self, zone: u64, migratetype: i32) -> u64:
        """The pages on the lists of one type; all ones if there are too many chunks to count."""
        total: u64 = 0
        steps: u64 = 0
        ones: u64 = 1
        order: i32 = 0
        head: u64
        entry: u64
        if migratetype < 0:
            return 0
        while order <= self.order_max:
            head = zone + ZONE_FREE_AREA + order * FREE_AREA_SIZE + 16 * migratetype
            entry = self.link(head, False)
            while entry != head:
                total += ones << order
                steps += 1
                if steps > WALK_MAX or entry == 0:
                    return TOP
                entry = self.link(entry, False)
            order += 1
        return total

    def _pcp_sum(self, nth: u64, zone: u64) -> u64:
        """The pages on a zone's per-cpu lists; all ones if a count looks wrong."""
        cpu: i32 = 0
        total: u64 = 0
        before: u64 = 0
        changed: i32 = 0
        pcp: u64
        now: u64
        was: u64
        walk: bint = self.touched_zones[nth] & PCP_SHUFFLED != 0
        while cpu < self.pages.cpus:
            pcp = self.word(zone + ZONE_PAGESETS) + cpu * PCP_SIZE
            if pcp < self.base or pcp - self.base > self.size - PCP_SIZE:
                return TOP
            now = self.word(pcp + PCP_COUNT)
            was = was_word(self.overlay, (pcp + PCP_COUNT - self.base) >> 3)
            total += now
            before += was
            changed += now != was
            if self.touched_zones[nth] & OF_PCP != 0 and self._high_orders(pcp):
                walk = True
            cpu += 1
        if changed > 1 or walk:
            self.listed.clear()
            if self.pcp_pages(zone) != total or len(self.found) > 0:
                return TOP
            return total
        if total & TOP != (before + self.deltas[nth * DELTAS + 11]) & TOP:
            return TOP
        return total

    def _high_orders(self, pcp: u64) -> bint:
        """Did chunks of more than one page come or go at a cpu, or does a list look wrong?"""
        nth: i32 = 0
        head: u64
        at: u64
        while nth < self.pcp_lists:
            head = pcp + PCP_LISTS + 16 * nth
            if self.pages.pindex_to_order(nth) > 0:
                at = (head - self.base) >> 3
                if word_changed(self.overlay, at) or word_changed(self.overlay, at + 1):
                    return True
            if self.link(self.link(head, False), True) != head:
                return True
            nth += 1
        return False
