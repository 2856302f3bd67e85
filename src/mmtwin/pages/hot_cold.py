"""Per-cpu lists up to 4.x: single pages only, hot ones at the head, cold ones at the tail."""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug, KernelWarning
from mmtwin.pages import layouts as c
from mmtwin.pages.reserve import Reserve

if not cython.compiled:
    from mmtwin.pages.words import add, load

FPI_NONE = declare(i32, 0)
PCP_COUNT = declare(u64, c.PCP_COUNT)
PCP_HIGH = declare(u64, c.PCP_HIGH)
PCP_BATCH = declare(u64, c.PCP_BATCH)
PCP_LISTS = declare(u64, c.PCP_LISTS)
ZONE_NR_FREE_PAGES = declare(u64, c.ZONE_NR_FREE_PAGES)
ZONE_NR_FREE_CMA = declare(u64, c.ZONE_NR_FREE_CMA)
ZONE_NR_ALLOC_BATCH = declare(u64, c.ZONE_NR_ALLOC_BATCH)


class HotCold(Reserve):
    """Per-cpu lists of 3.15: one list for each of three types, no lock."""

    def pcp_list_count(self) -> i32:
        """One list for each of three types."""
        return 3

    def order_to_pindex(self, migratetype: i32, order: i32) -> i32:
        """The number of the list for that type."""
        return migratetype

    def pindex_to_order(self, pindex: i32) -> i32:
        """All lists hold single pages."""
        return 0

    def pcp_allowed_order(self, order: i32) -> bint:
        """Do per-cpu lists hold chunks of that order?"""
        return order == 0

    def rmqueue_bulk(
        self, zone: u64, order: i32, count: i64, head: u64, migratetype: i32, alloc_flags: i32
    ) -> i64:
        """Move up to ``count`` pages from the buddy lists to the per-cpu list at ``head``.

        Returns how many. They lie behind each other in the order taken.
        """
        taken: i64 = 0
        page: u64
        after: u64 = head
        size: i64 = 1 << order
        while taken < count:
            page = self._rmqueue(zone, order, migratetype, alloc_flags)
            if page == 0:
                break
            self.check_freepage(page, "rmqueue_bulk")
            self.list_add(page + self.o_lru, after)
            after = page + self.o_lru
            if self.label_refill(page, migratetype) == self.mt_cma:
                add(self.memory, zone + ZONE_NR_FREE_CMA, -size)
            taken += 1
        add(self.memory, zone + ZONE_NR_FREE_PAGES, -taken * size)
        return taken

    def rmqueue(self, zone: u64, order: i32, gfp: u64, alloc_flags: i32, migratetype: i32) -> u64:
        """``buffered_rmqueue``: a chunk from one zone; 0 if there is none."""
        memory = self.memory
        page: u64
        pcp: u64
        head: u64
        size: i64 = 1 << order
        if order == 0:
            pcp = self.per_cpu_pages(zone, self.cpu)
            head = pcp + PCP_LISTS + 16 * migratetype
            if self.list_empty(head):
                batch: i64 = load(memory, pcp + PCP_BATCH)
                add(
                    self.memory,
                    pcp + PCP_COUNT,
                    self.rmqueue_bulk(zone, 0, batch, head, migratetype, alloc_flags),
                )
                if self.list_empty(head):
                    return 0
            page = load(memory, head + 8 if gfp & self.gfp_cold != 0 else head) - self.o_lru
            self.list_del(page + self.o_lru)
            add(self.memory, pcp + PCP_COUNT, -1)
        else:
            if gfp & self.gfp_nofail != 0 and order > 1:
                raise KernelWarning("(gfp_flags & __GFP_NOFAIL) && (order > 1)", "buffered_rmqueue")
            page = self._rmqueue(zone, order, migratetype, alloc_flags)
            if page == 0:
                return 0
            self.mod_zone_freepage_state(zone, -size, self.removed_type(page))
        add(self.memory, zone + ZONE_NR_ALLOC_BATCH, -size)
        if self.bad_range(zone, page):
            self.page_bug("bad_range(zone, page)", "buffered_rmqueue", page)
        self.check_new_pages(page, order, zone)
        return page

    # Freeing.

    def free_hot_cold_page(self, page: u64, cold: bint) -> i32:
        """Free one page by way of the per-cpu lists; cold pages go to the end. Returns 0."""
        if not self.free_pages_prepare(page, 0):
            return 0
        pfn: u64 = self.page_to_pfn(page)
        zone: u64 = self.page_zone(page)
        migratetype: i32 = self.get_pfnblock_migratetype(pfn)
        self.set_pcppage_migratetype(page, migratetype)
        if migratetype >= self.mt_pcptypes:
            if migratetype == self.mt_isolate:
                return self.free_one_page(zone, page, pfn, 0, migratetype, FPI_NONE)
            migratetype = self.mt_movable
        pcp: u64 = self.per_cpu_pages(zone, self.cpu)
        head: u64 = pcp + PCP_LISTS + 16 * migratetype
        if cold:
            self.list_add_tail(page + self.o_lru, head)
        else:
            self.list_add(page + self.o_lru, head)
        add(self.memory, pcp + PCP_COUNT, 1)
        if load(self.memory, pcp + PCP_COUNT) >= load(self.memory, pcp + PCP_HIGH):
            self.free_pcppages_bulk(zone, load(self.memory, pcp + PCP_BATCH), pcp, 0)
        return 0

    def free_unref_page(self, page: u64, order: i32) -> i32:
        """Free one hot page; returns 0."""
        return self.free_hot_cold_page(page, False)

    def free_pcppages_bulk(self, zone: u64, count: i64, pcp: u64, pindex: i32) -> i32:
        """Free ``count`` pages of the per-cpu lists, round robin from the second list on; 0.

        Each visit takes one page more than the last, from the list's end; a lone list is freed
        at once. Pages of isolated blocks are not counted; CMA pages are, by their cached type.
        """
        memory = self.memory
        migratetype: i32 = 0
        batch_free: i64 = 0
        to_free: i64 = count
        head: u64
        page: u64
        cached: i32
        visited: i32
        while to_free > 0:
            visited = 0
            while True:
                batch_free += 1
                migratetype += 1
                if migratetype == self.mt_pcptypes:
                    migratetype = 0
                head = pcp + PCP_LISTS + 16 * migratetype
                if not self.list_empty(head):
                    break
                visited += 1
                if visited > self.mt_pcptypes:
                    raise KernelBug("pcp->count exceeds what is listed", "free_pcppages_bulk")
            if batch_free == self.mt_pcptypes:
                batch_free = to_free
            while True:
                page = load(memory, head + 8) - self.o_lru
                self.list_del(page + self.o_lru)
                add(self.memory, pcp + PCP_COUNT, -1)
                cached = self.get_pcppage_migratetype(page)
                self.check_freepage(page, "free_pcppages_bulk")
                self._free_one_page(page, self.page_to_pfn(page), zone, 0, cached, FPI_NONE)
                if self.tracer is not None:
                    self.trace_drain(page, 0, cached)
                if self.get_pageblock_migratetype(page) != self.mt_isolate:
                    self.mod_zone_freepage_state(zone, 1, cached)
                to_free -= 1
                batch_free -= 1
                if to_free == 0 or batch_free == 0 or self.list_empty(head):
                    break
        return 0
