"""Bringing a zone into a given state: what is free, on which lists, in blocks of which type.

For scenarios, and for states that were recorded elsewhere: what is not said to be free is in use,
each page with one reference.
"""

from __future__ import annotations

from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.pages import layouts as c
from mmtwin.pages.page_alloc import PageAlloc

ZONE_USED = declare(u64, c.ZONE_USED)
PCP_COUNT = declare(u64, c.PCP_COUNT)
PCP_LISTS = declare(u64, c.PCP_LISTS)


class Load:
    """Sets the state of zones of one page allocator, chunk by chunk."""

    def __init__(self, pages: PageAlloc) -> None:
        self.pages = pages

    def take_all(self, zone: u64) -> i64:
        """Make every free page of a zone a used page; returns how many."""
        pages: PageAlloc = self.pages
        pages.drain_all_pages(zone)
        taken: i64 = 0
        order: i32 = 0
        migratetype: i32
        page: u64
        while order <= pages.order_max:
            migratetype = 0
            while migratetype < pages.mt_types:
                page = pages.get_page_from_free_area(zone, order, migratetype)
                while page != 0:
                    self.take(zone, page, order, migratetype)
                    taken += 1 << order
                    page = pages.get_page_from_free_area(zone, order, migratetype)
                migratetype += 1
            order += 1
        return taken

    def take(self, zone: u64, page: u64, order: i32, migratetype: i32) -> i32:
        """Make the pages of one listed chunk used pages; returns 0."""
        pages: PageAlloc = self.pages
        size: i64 = 1 << order
        nth: i64 = 0
        pages.del_page_from_free_list(page, zone, order, migratetype)
        if migratetype != pages.mt_isolate:
            pages.mod_zone_freepage_state(zone, -size, migratetype)
        pages.check_new_pages(page, order, zone)
        while nth < size:
            pages.set_page_refcounted(page + 64 * nth)
            nth += 1
        return pages.add_to(zone + ZONE_USED, size)

    def release(self, page: u64) -> i32:
        """Take a used page's one reference away; returns 0."""
        if self.pages.page_ref_count(page) != 1:
            raise ValueError(f"frame {self.pages.page_to_pfn(page):#x} is not in use, or twice")
        self.pages.page_ref_add(page, -1)
        return 0

    def put_pcp(self, pfn: u64, order: i32, migratetype: i32, pindex: i32, cpu: i32) -> i32:
        """Put a chunk of used pages at the end of a per-cpu list; returns 0.

        ``migratetype`` is the type that the chunk remembers.
        """
        pages: PageAlloc = self.pages
        page: u64 = pages.pfn_to_page(pfn)
        zone: u64 = pages.zone_of_pfn(pfn)
        pcp: u64 = pages.per_cpu_pages(zone, cpu)
        size: i64 = 1 << order
        nth: i64 = 0
        while nth < size:
            self.release(page + 64 * nth)
            nth += 1
        pages.set_pcppage_migratetype(page, migratetype)
        pages.list_add_tail(page + pages.o_lru, pcp + PCP_LISTS + 16 * pindex)
        pages.add_to(pcp + PCP_COUNT, size)
        return pages.add_to(zone + ZONE_USED, -size)

    def put_free(self, pfn: u64, order: i32, migratetype: i32, tail: bint = True) -> i32:
        """Put a chunk of used pages on a list as it is, merged with nothing; returns 0."""
        pages: PageAlloc = self.pages
        page: u64 = pages.pfn_to_page(pfn)
        zone: u64 = pages.zone_of_pfn(pfn)
        size: i64 = 1 << order
        nth: i64 = 0
        if pfn & (size - 1) != 0:
            raise ValueError(f"frame {pfn:#x} is no place for a chunk of order {order}")
        while nth < size:
            self.release(page + 64 * nth)
            nth += 1
        if tail:
            pages.add_to_free_list_tail(page, zone, order, migratetype)
        else:
            pages.add_to_free_list(page, zone, order, migratetype)
        pages.set_buddy_order(page, order)
        if migratetype != pages.mt_isolate:
            pages.mod_zone_freepage_state(zone, size, migratetype)
        return pages.add_to(zone + ZONE_USED, -size)
