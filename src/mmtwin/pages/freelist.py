"""The free lists: a free chunk goes on the list of its order and type, and comes off again."""

from __future__ import annotations

import cython
from cython import declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.pages import layouts as c
from mmtwin.pages.zone import Zones

if not cython.compiled:
    from mmtwin.pages.words import add, load

VMEMMAP = declare(u64, c.VMEMMAP)
ZONE_FREE_AREA = declare(u64, c.ZONE_FREE_AREA)
FREE_AREA_SIZE = declare(u64, c.FREE_AREA_SIZE)
FREE_AREA_NR_FREE = declare(u64, c.FREE_AREA_NR_FREE)
ZONE_PRISTINE_FIRST = declare(u64, c.ZONE_PRISTINE_FIRST)
ZONE_PRISTINE_END = declare(u64, c.ZONE_PRISTINE_END)
ZONE_PAGE_FLAGS = declare(u64, c.ZONE_PAGE_FLAGS)


class FreeLists(Zones):
    """Adding, moving and removing the heads of free chunks; ``nr_free`` counts them."""

    def wake(self, zone: u64, pfn: u64) -> i32:
        """Write the struct page of the pristine chunk that holds ``pfn``, if one does; returns 0.

        The chunk is free, of the largest order, and in the list where boot put it.
        """
        head: u64 = (pfn >> self.order_max) << self.order_max
        if head < load(self.memory, zone + ZONE_PRISTINE_FIRST):
            return 0
        if head >= load(self.memory, zone + ZONE_PRISTINE_END):
            return 0
        page: u64 = self.pfn_to_page(head)
        if not self.pristine(page):
            return 0
        entry: u64 = page + self.o_lru
        after: u64 = self.link_next(entry)
        before: u64 = self.link_prev(entry)
        self.init_single_page(page, load(self.memory, zone + ZONE_PAGE_FLAGS))
        self.st(entry, after)
        self.st(entry + 8, before)
        self.set_buddy_order(page, self.order_max)
        return 0

    def _wake_entry(self, zone: u64, entry: u64) -> i32:
        if entry >= VMEMMAP:
            self.wake(zone, self.page_to_pfn(entry))
        return 0

    def _checked_list(self, page: u64, zone: u64, order: i32, migratetype: i32) -> u64:
        """The list for a page; a type out of range is no list."""
        if migratetype < 0 or migratetype >= self.mt_types:
            self.page_bug(f"array-index-out-of-bounds: free_list[{migratetype}]", "free_list", page)
        return zone + ZONE_FREE_AREA + order * FREE_AREA_SIZE + 16 * migratetype

    def _count_heads(self, zone: u64, order: i32, delta: i32) -> i32:
        return add(
            self.memory, zone + ZONE_FREE_AREA + order * FREE_AREA_SIZE + FREE_AREA_NR_FREE, delta
        )

    def add_to_free_list(self, page: u64, zone: u64, order: i32, migratetype: i32) -> i32:
        """Put a chunk at the head of its list; returns 0."""
        self.list_add(page + self.o_lru, self._checked_list(page, zone, order, migratetype))
        return self._count_heads(zone, order, 1)

    def add_to_free_list_tail(self, page: u64, zone: u64, order: i32, migratetype: i32) -> i32:
        """Put a chunk at the end of its list; returns 0."""
        self.list_add_tail(page + self.o_lru, self._checked_list(page, zone, order, migratetype))
        return self._count_heads(zone, order, 1)

    def _unlink(self, page: u64, zone: u64, order: i32) -> i32:
        """Take a chunk out of its list; pristine neighbours are written, for their links change."""
        entry: u64 = page + self.o_lru
        if order == self.order_max:
            self.wake(zone, self.page_to_pfn(page))
            self._wake_entry(zone, self.ld(entry))
            self._wake_entry(zone, self.ld(entry + 8))
        return self.list_del(entry)

    def move_to_free_list(self, page: u64, zone: u64, order: i32, migratetype: i32) -> i32:
        """Move a chunk to the end of another type's list; returns 0.

        Moving is for chunks whose ownership changes: pages of the new type are used up first.
        """
        self._unlink(page, zone, order)
        return self.list_add_tail(
            page + self.o_lru, self._checked_list(page, zone, order, migratetype)
        )

    def del_page_from_free_list(self, page: u64, zone: u64, order: i32, migratetype: i32) -> i32:
        """Take a chunk off its list and unmark it; returns 0.

        ``migratetype`` is the type of its list as the caller knows it, -1 if it does not.
        """
        self._unlink(page, zone, order)
        self.clear_page_buddy(page)
        return self._count_heads(zone, order, -1)

    def get_page_from_free_area(self, zone: u64, order: i32, migratetype: i32) -> u64:
        """The first page of a list, 0 if the list is empty."""
        head: u64 = zone + ZONE_FREE_AREA + order * FREE_AREA_SIZE + 16 * migratetype
        entry: u64 = load(self.memory, head)
        return 0 if entry == head else entry - self.o_lru
