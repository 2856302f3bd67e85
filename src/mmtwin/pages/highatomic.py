"""HIGHATOMIC pageblocks: kept for atomic requests of more than one page (since 4.4).

One block at a time is set apart after such a request was served, up to about 1 % of the zone.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.pages import layouts as c
from mmtwin.pages.fallback import Fallback

if not cython.compiled:
    from mmtwin.pages.words import load, store

ZONE_NR_RESERVED_HIGHATOMIC = declare(u64, c.ZONE_NR_RESERVED_HIGHATOMIC)


class Highatomic(Fallback):
    """Setting blocks apart and giving them back."""

    def highatomic_limit(self, zone: u64) -> u64:
        """Pages beyond which nothing more is set apart."""
        return self.managed_pages(zone) // 100 + self.pageblock_nr_pages

    def reserve_highatomic_pageblock(self, page: u64, zone: u64, order: i32) -> i32:
        """Set the block of ``page`` apart, if the zone's share is not used up; returns 0."""
        reserved: u64 = load(self.memory, zone + ZONE_NR_RESERVED_HIGHATOMIC)
        if reserved >= self.highatomic_limit(zone):
            return 0
        if self.migratetype_is_mergeable(self.get_pageblock_migratetype(page)):
            store(
                self.memory, zone + ZONE_NR_RESERVED_HIGHATOMIC, reserved + self.pageblock_nr_pages
            )
            self.set_pageblock_migratetype(page, self.mt_highatomic)
            self.move_freepages_block(zone, page, self.mt_highatomic)
        return 0

    def unreserve_highatomic_pageblock(self, zonelist: u64, migratetype: i32, force: bint) -> bint:
        """Give a block back to ``migratetype`` before a request fails; True if one was.

        One block a zone is kept unless ``force``.
        """
        zone: u64 = load(self.memory, zonelist)
        reserved: u64
        while zone != 0:
            reserved = load(self.memory, zone + ZONE_NR_RESERVED_HIGHATOMIC)
            if (force or reserved > self.pageblock_nr_pages) and self.unreserve_in_zone(
                zone, migratetype
            ):
                return True
            zonelist += 8
            zone = load(self.memory, zonelist)
        return False

    def unreserve_in_zone(self, zone: u64, migratetype: i32) -> bint:
        """Give the block of the first free HIGHATOMIC page back; True if pages were moved."""
        order: i32 = 0
        page: u64
        while order <= self.order_max:
            page = self.get_page_from_free_area(zone, order, self.mt_highatomic)
            if page != 0:
                # Several pages of a block that is no longer HIGHATOMIC may still be listed.
                if self.get_pageblock_migratetype(page) == self.mt_highatomic:
                    self.uncount_highatomic(zone)
                self.set_pageblock_migratetype(page, migratetype)
                if self.move_freepages_block(zone, page, migratetype) != 0:
                    return True
            order += 1
        return False

    def uncount_highatomic(self, zone: u64) -> i32:
        """Take one block from the count of pages set apart, not below 0; returns 0."""
        reserved: u64 = load(self.memory, zone + ZONE_NR_RESERVED_HIGHATOMIC)
        block: u64 = self.pageblock_nr_pages
        less: u64 = block if block < reserved else reserved
        store(self.memory, zone + ZONE_NR_RESERVED_HIGHATOMIC, reserved - less)
        return 0
