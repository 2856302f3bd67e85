"""Allocation and freeing as callers see them: the fast path, and the slow one behind it."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence

import cython
from cython import bint
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelWarning
from mmtwin.memory.allocator import Injector
from mmtwin.memory.memory import Memory
from mmtwin.pages.era import PageEra
from mmtwin.pages.slowpath import SlowPath
from mmtwin.pages.zone import ZoneSpec

if not cython.compiled:
    from mmtwin.memory.held import words_of


class PageAlloc(SlowPath):
    """``alloc_pages`` and ``free_pages``.

    ``injector`` may refuse requests (fail_page_alloc), ``on_failure`` hears of those that fail.
    """

    def __init__(
        self,
        memory: Memory,
        era: PageEra,
        memmap: u64,
        frames: u64,
        specs: Sequence[ZoneSpec],
        cpus: i32,
    ) -> None:
        super().__init__(memory, era, memmap, frames, specs, cpus)
        self.injector: Injector | None = None
        self.on_failure: Callable[[int, int], None] | None = None

    def alloc_pages(self, gfp: u64, order: i32, node: i32 = 0) -> u64:
        """A chunk of 2^order pages: its struct page, or 0 if none can be had under ``gfp``."""
        if order > self.order_max:
            if gfp & self.gfp_nowarn == 0:
                raise KernelWarning("order >= MAX_ORDER", "__alloc_pages")
            return 0
        if self.injector is not None and self.injector.should_fail("page", gfp):
            return 0
        asked: u64 = gfp
        gfp = self.current_gfp_context(gfp)
        highest_zoneidx: i32 = self.gfp_zone(gfp)
        zonelist: u64 = self.zonelist(node)
        page: u64 = self.first_attempt(gfp, order, highest_zoneidx, zonelist)
        if page == 0:
            page = self.alloc_pages_slowpath(gfp, order, highest_zoneidx, zonelist)
            if page == 0 and gfp & self.gfp_nowarn == 0 and self.on_failure is not None:
                self.on_failure(asked, order)
        if self.tracer is not None:
            self.trace_alloc(page, order, gfp)
        return page

    def trace_alloc(self, page: u64, order: i32, gfp: u64) -> i32:
        """Emit ``mm_page_alloc``; returns 0."""
        if self.tracer is not None:
            self.tracer(
                "mm_page_alloc",
                page=page,
                pfn=self.page_to_pfn(page) if page else 0,
                order=order,
                migratetype=self.gfp_migratetype(gfp),
                gfp_flags=gfp,
            )
        return 0

    def free_pages(self, page: u64, order: i32) -> i32:
        """``__free_pages``: drop the owner's reference to a chunk of 2^order pages; returns 0.

        If someone else still holds the first page of a chunk that is no compound page, the rest is
        freed now.
        """
        head: bint = self.page_head(page)
        one: u64 = 1
        if self.put_page_testzero(page):
            return self.free_the_page(page, order)
        if not head:
            while order > 0:
                order -= 1
                self.free_the_page(page + 64 * (one << order), order)
        return 0

    def alloc_pages_bulk(self, gfp: u64, order: i32, count: i32) -> array[int]:
        """Up to ``count`` chunks of 2^order pages; fewer if memory runs out."""
        pages = array("Q", bytes(8 * count))
        if count == 0:
            return pages
        taken = words_of(pages)
        nth: i32 = 0
        page: u64
        while nth < count:
            page = self.alloc_pages(gfp, order, 0)
            if page == 0:
                return pages[:nth]
            taken[nth] = page
            nth += 1
        return pages

    def free_pages_bulk(self, pages: Sequence[int], order: i32) -> i32:
        """Free chunks of 2^order pages, first to last; returns 0."""
        held = array("Q", pages)
        if len(held) == 0:
            return 0
        given = words_of(held)
        nth: i32 = 0
        count: i32 = len(held)
        while nth < count:
            self.free_pages(given[nth], order)
            nth += 1
        return 0
