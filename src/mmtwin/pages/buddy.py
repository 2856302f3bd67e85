"""The buddy allocator: chunks of 2^order pages, split on the way out, merged on the way in.

A method named with one underscore more than its neighbours' is the kernel's with two:
``_free_one_page`` is ``__free_one_page``, which wants ``zone->lock`` held.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug
from mmtwin.memory.memory import Memory
from mmtwin.pages import layouts as c
from mmtwin.pages.era import PageEra
from mmtwin.pages.freelist import FreeLists
from mmtwin.pages.zone import ZoneSpec

if not cython.compiled:
    from mmtwin.pages.words import load

ZONE_PAGE_FLAGS = declare(u64, c.ZONE_PAGE_FLAGS)
ZONE_SHIFT = declare(u64, c.ZONE_SHIFT)
FPI_TO_TAIL = declare(i32, 1)
TO_TAIL = 1
"""FPI_TO_TAIL for other modules."""
PCP_ORDERS = declare(i32, 3)


class Tracer(Protocol):
    """Hears the tracepoints of the page allocator."""

    def __call__(self, event: str, **fields: int) -> None:
        """``event`` happened; fields are named as in the kernel's formats."""


class Buddy(FreeLists):
    """Splitting and merging under ``zone->lock``."""

    def __init__(
        self, memory: Memory, era: PageEra, memmap: u64, frames: u64, specs: Sequence[ZoneSpec]
    ) -> None:
        super().__init__(memory, era, memmap, frames, specs)
        self.tracer: Tracer | None = None
        self.debug_vm = True
        self.capture_zone = 0
        self.capture_order = 0
        self.captured = 0

    # Merging.

    def find_buddy_pfn(self, pfn: u64, order: i32) -> u64:
        """The frame number of the chunk that ``pfn`` merges with at that order."""
        one: u64 = 1
        return pfn ^ (one << order)

    def page_is_buddy(self, page: u64, buddy: u64, order: i32) -> bint:
        """Is ``buddy`` a free chunk of that order in the zone of ``page``?"""
        at: u64 = buddy - self.shift
        counts: u64 = load(self.memory, at + self.o_counts)
        if (counts & self.buddy_mask) != self.buddy_value:
            return False
        if load(self.memory, at + self.o_private) != order:
            return False
        zone_bits: u64 = load(self.memory, at) >> ZONE_SHIFT
        if zone_bits != load(self.memory, page - self.shift) >> ZONE_SHIFT:
            return False
        if counts != self.word_buddy and self.page_ref_count(buddy) != 0:
            self.page_bug("page_count(buddy) != 0", "page_is_buddy", buddy)
        return True

    def find_buddy_page_pfn(self, page: u64, pfn: u64, order: i32) -> u64:
        """The free chunk that a chunk of that order can merge with, 0 if there is none."""
        buddy_pfn: u64 = self.find_buddy_pfn(pfn, order)
        if buddy_pfn >= self.frames:
            return 0
        buddy: u64 = self.pfn_to_page(buddy_pfn)
        return buddy if self.page_is_buddy(page, buddy, order) else 0

    def buddy_may_merge(self, buddy: u64, order: i32, migratetype: i32) -> bint:
        """May a chunk of at least a pageblock, freed as ``migratetype``, swallow ``buddy``?

        Only types with fallbacks mix (1dd214b8f21c, 5.18); otherwise isolated, CMA and HIGHATOMIC
        pages would be counted wrongly.
        """
        buddy_type: i32 = self.get_pageblock_migratetype(buddy)
        if migratetype == buddy_type:
            return True
        return self.migratetype_is_mergeable(migratetype) and self.migratetype_is_mergeable(
            buddy_type
        )

    def buddy_merge_likely(self, page: u64, pfn: u64, order: i32) -> bint:
        """Would the chunk soon merge further? Its parent's buddy is free, only its own is not."""
        if order >= self.order_max - 1:
            return False
        higher_pfn: u64 = self.find_buddy_pfn(pfn, order) & pfn
        higher_page: u64 = page - (pfn - higher_pfn) * 64
        return self.find_buddy_page_pfn(higher_page, higher_pfn, order + 1) != 0

    def check_free_one_page(
        self, page: u64, pfn: u64, zone: u64, order: i32, migratetype: i32
    ) -> i32:
        """The assertions about a chunk that comes back; returns 0."""
        if load(self.memory, page - self.shift) & self.mask_at_prep != 0:
            self.page_bug("page->flags & PAGE_FLAGS_CHECK_AT_PREP", "__free_one_page", page)
        if migratetype == -1:
            raise KernelBug("migratetype == -1", "__free_one_page")
        one: u64 = 1
        if pfn & ((one << order) - 1) != 0:
            self.page_bug("pfn & ((1 << order) - 1)", "__free_one_page", page)
        if self.bad_range(zone, page):
            self.page_bug("bad_range(zone, page)", "__free_one_page", page)
        return 0

    def account_freed(self, zone: u64, order: i32, migratetype: i32) -> i32:
        """Count a chunk that comes back as free; isolated pages do not count. Returns 0."""
        if migratetype != self.mt_isolate:
            self.mod_zone_freepage_state(zone, 1 << order, migratetype)
        return 0

    def _free_one_page(
        self, page: u64, pfn: u64, zone: u64, order: i32, migratetype: i32, fpi_flags: i32
    ) -> i32:
        """Put a chunk of 2^order pages on the list of ``migratetype``, merged with its buddies.

        Returns 0. The result goes to the head of its list, or to the tail where a further merge is
        likely, so that it is left alone for a while.
        """
        self.check_free_one_page(page, pfn, zone, order, migratetype)
        self.account_freed(zone, order, migratetype)
        buddy: u64
        buddy_pfn: u64
        while order < self.order_max:
            if self.capture_zone == zone and self.compaction_capture(page, order, migratetype):
                size: i64 = 1 << order
                return self.mod_zone_freepage_state(zone, -size, migratetype)
            buddy = self.find_buddy_page_pfn(page, pfn, order)
            if buddy == 0:
                break
            if order >= self.pageblock_order and not self.buddy_may_merge(
                buddy, order, migratetype
            ):
                break
            self.del_page_from_free_list(buddy, zone, order, -1)
            buddy_pfn = self.page_to_pfn(buddy)
            if buddy_pfn < pfn:
                page = buddy
                pfn = buddy_pfn
            order += 1
        self.set_buddy_order(page, order)
        if fpi_flags & FPI_TO_TAIL != 0 or self.buddy_merge_likely(page, pfn, order):
            self.add_to_free_list_tail(page, zone, order, migratetype)
        else:
            self.add_to_free_list(page, zone, order, migratetype)
        return 0

    def compaction_capture(self, page: u64, order: i32, migratetype: i32) -> bint:
        """Does a compactor wait for such a chunk? Then it is ``captured``, and on no list.

        Not of CMA or isolated blocks, nor part of a MOVABLE block.
        """
        if order != self.capture_order or self.captured != 0:
            return False
        if migratetype == self.mt_cma or migratetype == self.mt_isolate:
            return False
        if order < self.pageblock_order and migratetype == self.mt_movable:
            return False
        self.captured = page
        return True

    # Splitting.

    def expand(self, zone: u64, page: u64, low: i32, high: i32, migratetype: i32) -> i32:
        """Split a chunk of order ``high`` down to ``low``; returns 0.

        The upper half of each split goes to the head of its list, so the caller keeps the lowest
        pages.
        """
        flags: u64 = load(self.memory, zone + ZONE_PAGE_FLAGS)
        one: u64 = 1
        piece: u64
        while high > low:
            high -= 1
            piece = page + 64 * (one << high)
            if self.pristine(piece):
                self.init_single_page(piece, flags)
            if self.bad_range(zone, piece):
                self.page_bug("bad_range(zone, &page[size])", "expand", piece)
            self.add_to_free_list(piece, zone, high, migratetype)
            self.set_buddy_order(piece, high)
        return 0

    def _rmqueue_smallest(self, zone: u64, order: i32, migratetype: i32) -> u64:
        """A chunk of that order from the lists of one type, 0 if they hold none large enough."""
        current_order: i32 = order
        page: u64
        while current_order <= self.order_max:
            page = self.get_page_from_free_area(zone, current_order, migratetype)
            if page != 0:
                self.del_page_from_free_list(page, zone, current_order, migratetype)
                self.expand(zone, page, order, current_order, migratetype)
                self.set_pcppage_migratetype(page, migratetype)
                if self.tracer is not None:
                    self.trace_zone_locked(page, order, migratetype)
                return page
            current_order += 1
        return 0

    def trace_zone_locked(self, page: u64, order: i32, migratetype: i32) -> i32:
        """Emit ``mm_page_alloc_zone_locked``; returns 0."""
        if self.tracer is not None:
            refill = self.pcp_allowed_order(order) and migratetype < self.mt_pcptypes
            self.tracer(
                "mm_page_alloc_zone_locked",
                page=page,
                pfn=self.page_to_pfn(page),
                order=order,
                migratetype=migratetype,
                percpu_refill=int(refill),
            )
        return 0

    def pcp_allowed_order(self, order: i32) -> bint:
        """Do per-cpu lists hold chunks of that order?"""
        return order <= PCP_ORDERS or order == self.pageblock_order
