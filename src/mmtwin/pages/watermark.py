"""Watermarks: may this zone give that many pages to that caller?"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.pages import gfp as g
from mmtwin.pages import layouts as c
from mmtwin.pages.buddy import Buddy

if not cython.compiled:
    from mmtwin.pages.words import load

ZONE_WATERMARK = declare(u64, c.ZONE_WATERMARK)
ZONE_BOOST = declare(u64, c.ZONE_BOOST)
ZONE_LOWMEM_RESERVE = declare(u64, c.ZONE_LOWMEM_RESERVE)
ZONE_NR_FREE_PAGES = declare(u64, c.ZONE_NR_FREE_PAGES)
ZONE_NR_FREE_CMA = declare(u64, c.ZONE_NR_FREE_CMA)
ZONE_NR_RESERVED_HIGHATOMIC = declare(u64, c.ZONE_NR_RESERVED_HIGHATOMIC)
ALLOC_RESERVES = declare(i32, g.ALLOC_RESERVES)
ALLOC_MIN_RESERVE = declare(i32, g.ALLOC_MIN_RESERVE)
ALLOC_NON_BLOCK = declare(i32, g.ALLOC_NON_BLOCK)
ALLOC_OOM = declare(i32, g.ALLOC_OOM)
ALLOC_CMA = declare(i32, g.ALLOC_CMA)
ALLOC_HIGHATOMIC = declare(i32, g.ALLOC_HIGHATOMIC)
WMARK_MIN = declare(i32, g.WMARK_MIN)


class Watermarks(Buddy):
    """The tests of 6.1: order-0 arithmetic, then one free chunk that is large enough."""

    def wmark_pages(self, zone: u64, mark: i32) -> u64:
        """The mark in pages, boost included: 0 MIN, 1 LOW, 2 HIGH, 3 PROMO."""
        return load(self.memory, zone + ZONE_WATERMARK + 8 * mark) + load(
            self.memory, zone + ZONE_BOOST
        )

    def lowmem_reserve(self, zone: u64, highest_zoneidx: i32) -> u64:
        """Pages kept from requests that could have used zones up to ``highest_zoneidx``."""
        return load(self.memory, zone + ZONE_LOWMEM_RESERVE + 8 * highest_zoneidx)

    def zone_watermark_unusable_free(self, zone: u64, order: i32, alloc_flags: i32) -> i64:
        """Free pages that this caller may not count on."""
        unusable: i64 = (1 << order) - 1
        if alloc_flags & ALLOC_RESERVES == 0:
            unusable += load(self.memory, zone + ZONE_NR_RESERVED_HIGHATOMIC)
        if alloc_flags & ALLOC_CMA == 0:
            unusable += load(self.memory, zone + ZONE_NR_FREE_CMA)
        return unusable

    def _zone_watermark_ok(
        self,
        zone: u64,
        order: i32,
        mark: i64,
        highest_zoneidx: i32,
        alloc_flags: i32,
        free_pages: i64,
    ) -> bint:
        """Would ``mark`` still hold after giving 2^order pages away? (``__zone_watermark_ok``)."""
        least: i64 = mark
        reserve: i64 = self.lowmem_reserve(zone, highest_zoneidx)
        free_pages -= self.zone_watermark_unusable_free(zone, order, alloc_flags)
        if alloc_flags & ALLOC_RESERVES != 0:
            if alloc_flags & ALLOC_MIN_RESERVE != 0:
                least -= least // 2
                if alloc_flags & ALLOC_NON_BLOCK != 0:
                    least -= least // 4
            if alloc_flags & ALLOC_OOM != 0:
                least -= least // 2
        if free_pages <= least + reserve:
            return False
        if order == 0:
            return True
        return self._suitable_free(zone, order, alloc_flags)

    def _suitable_free(self, zone: u64, order: i32, alloc_flags: i32) -> bint:
        """Is there a free chunk of at least that order on a list that the caller may use?"""
        migratetype: i32
        while order <= self.order_max:
            if self.nr_free(zone, order) != 0:
                migratetype = 0
                while migratetype < self.mt_pcptypes:
                    if not self.list_empty(self.free_list(zone, order, migratetype)):
                        return True
                    migratetype += 1
                if (
                    self.mt_cma >= 0
                    and alloc_flags & ALLOC_CMA != 0
                    and not self.list_empty(self.free_list(zone, order, self.mt_cma))
                ):
                    return True
                if alloc_flags & (ALLOC_HIGHATOMIC | ALLOC_OOM) != 0 and not self.list_empty(
                    self.free_list(zone, order, self.mt_highatomic)
                ):
                    return True
            order += 1
        return False

    def zone_watermark_ok(
        self, zone: u64, order: i32, mark: i64, highest_zoneidx: i32, alloc_flags: i32
    ) -> bint:
        """The test against the zone's present free pages."""
        return self._zone_watermark_ok(
            zone,
            order,
            mark,
            highest_zoneidx,
            alloc_flags,
            load(self.memory, zone + ZONE_NR_FREE_PAGES),
        )

    def zone_watermark_fast(
        self,
        zone: u64,
        order: i32,
        mark: i64,
        highest_zoneidx: i32,
        alloc_flags: i32,
        atomic: bint,
    ) -> bint:
        """The test with a short cut for single pages.

        ``atomic`` requests for one page ignore the boost of the MIN mark.
        """
        free_pages: i64 = load(self.memory, zone + ZONE_NR_FREE_PAGES)
        usable: i64
        if order == 0:
            usable = free_pages - self.zone_watermark_unusable_free(zone, 0, alloc_flags)
            reserve: i64 = self.lowmem_reserve(zone, highest_zoneidx)
            if usable > mark + reserve:
                return True
        if self._zone_watermark_ok(zone, order, mark, highest_zoneidx, alloc_flags, free_pages):
            return True
        boost: u64 = load(self.memory, zone + ZONE_BOOST)
        if order == 0 and atomic and boost != 0 and alloc_flags & 3 == WMARK_MIN:
            return self._zone_watermark_ok(
                zone,
                order,
                load(self.memory, zone + ZONE_WATERMARK),
                highest_zoneidx,
                alloc_flags,
                free_pages,
            )
        return False
