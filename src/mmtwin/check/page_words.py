"""The page allocator's words, decoded anew for its checks: struct pages, links, pageblock bits."""

from __future__ import annotations

from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.check.addresses import AddressSet
from mmtwin.check.overlay import Overlay, Words
from mmtwin.check.violation import Violation
from mmtwin.pages import layouts as c
from mmtwin.pages.page_alloc import PageAlloc

RULES = {
    "PG-01": "nr_free of an order is the number of chunks on its lists",
    "PG-02": "NR_FREE_PAGES is the number of pages on all lists but the isolated ones",
    "PG-03": "NR_FREE_CMA_PAGES is the number of pages on the CMA lists",
    "PG-04": "a listed chunk is marked, of its list's order, aligned, unreferenced, in its zone",
    "PG-05": "no page is in two places: chunks do not overlap, nor cover pages in use",
    "PG-06": "pages of CMA, ISOLATE and RESERVE blocks, and no others, are on lists of that type",
    "PG-07": "two free buddies are merged",
    "PG-08": "a per-cpu count is the number of pages on its lists",
    "PG-09": "no page is lost: managed pages are free, on per-cpu lists, or in use",
    "PG-10": "each entry of a list is its neighbours' neighbour",
    "PG-11": "a page marked free is on a list",
    "PG-12": "a pageblock's type is one of the era's",
    "PG-13": "a chunk of several pageblocks has blocks of one type (since 6.10)",
    "PG-14": "a page on a per-cpu list is unreferenced, unmarked, and of its zone",
    "PG-15": "nr_isolate_pageblock is the number of isolated blocks",
    "PG-16": "nr_reserved_highatomic is the number of pages of HIGHATOMIC blocks; up to 6.9 it may"
    " also hold whole blocks whose type a steal took (7cc5a5d65011)",
    "PG-17": "there are as many RESERVE blocks as the zone believes, at most two",
    "PG-18": "min <= low <= high, and reserves grow with the zone of the request",
    "PG-19": "a page on an LRU list is in use, of the list's node, and has the list's flags",
    "PG-20": "NR_INACTIVE_ANON to NR_UNEVICTABLE of zones and nodes are the pages so listed",
    "PG-21": "a page with PG_lru is on an LRU list, or unevictable",
    "PG-22": "between steps no page is isolated, and no list of reclaim holds any",
    "PG-23": "swap slots are free or held as counted; the swap cache and its pages agree",
    "PG-24": "a slab's free objects lie in it and are as many as counted; partial slabs are listed,"
    " objects in use are all but the free ones (whole checks only)",
}

VMEMMAP = declare(u64, c.VMEMMAP)
LOW32 = declare(u64, 0xFFFFFFFF)
ZONE_START_PFN = declare(u64, c.ZONE_START_PFN)
ZONE_SPANNED = declare(u64, c.ZONE_SPANNED)
ZONE_PRISTINE_FIRST = declare(u64, c.ZONE_PRISTINE_FIRST)
ZONE_PRISTINE_END = declare(u64, c.ZONE_PRISTINE_END)
VIOLATIONS_MAX = 200


class PageWords(Words):
    """What the checks of a page allocator read, and how they report.

    ``reserve=False`` leaves out what 3.15 does not keep by its design: RESERVE pages on other
    lists, and RESERVE blocks that were stolen. ``strict_types`` (6.10 and later) wants every list
    to hold pages of blocks of its own type.
    """

    def __init__(
        self, pages: PageAlloc, *, reserve: bool = True, overlay: Overlay | None = None
    ) -> None:
        super().__init__(pages.memory, overlay)
        self.pages = pages
        self.d = pages.memory.d
        self.memmap = pages.memmap - pages.memory.base
        self.frames = pages.frames
        self.o_lru = pages.o_lru
        self.o_counts = pages.o_counts
        self.o_private = pages.o_private
        self.o_compound = pages.o_compound
        self.flag_tail = pages.flag_tail
        self.flag_head = pages.flag_head
        self.buddy_mask = pages.buddy_mask
        self.buddy_value = pages.buddy_value
        self.word_free = pages.word_free
        self.refcount_shift = 0 if pages.memory.big_endian else 32
        self.order_max = pages.order_max
        self.block_order = pages.pageblock_order
        self.block_bits = pages.block_bits
        self.types = pages.mt_types
        self.pcp_lists = pages.pcp_lists
        era = pages.era.name
        self.strict_types = era == "6.18"
        self.zones_max = pages.era.zones_max
        self.merge_orders = pages.order_max if era == "3.15" else pages.pageblock_order
        self.special = self._special(reserve)
        self.reserve = reserve and pages.mt_reserve >= 0
        self.bitmap = pages.pageblock_flags - pages.memory.base
        self.found: list[Violation] = []
        self.listed = AddressSet()
        self.special_listed = AddressSet()
        self.listed_pages = 0

    def _special(self, reserve: bool) -> int:
        """The types whose pages must be on their own lists only, as bits."""
        pages = self.pages
        kept = [pages.mt_cma, pages.mt_isolate]
        if reserve:
            kept.append(pages.mt_reserve)
        return sum(1 << migratetype for migratetype in kept if migratetype >= 0)

    def fail(
        self, invariant: str, kind: str, address: u64, field: str, found: object, expected: object
    ) -> None:
        """Report that an object breaks an invariant."""
        if len(self.found) < VIOLATIONS_MAX:
            self.found.append(
                Violation(
                    invariant, kind, address, field, str(found), str(expected), (), RULES[invariant]
                )
            )

    def fail_page(
        self, invariant: str, pfn: u64, field: str, found: object, expected: object
    ) -> None:
        """Report that the struct page of a frame breaks an invariant."""
        self.fail(invariant, "page", VMEMMAP + 64 * pfn, field, found, expected)

    # Words.

    def word(self, address: u64) -> u64:
        """A word of the direct map; 0 outside memory."""
        if address < self.base or address - self.base >= self.size:
            return 0
        return self.w[(address - self.base) >> 3]

    def of_page(self, pfn: u64, offset: u64) -> u64:
        """A word of the struct page of a frame below ``frames``."""
        return self.w[(self.memmap + 64 * pfn + offset) >> 3]

    def link(self, entry: u64, back: bint) -> u64:
        """The word after (or before) a list entry, as an address; 0 if there is none.

        Of a pristine page it is where boot put the next (previous) chunk.
        """
        at: u64 = 8 if back else 0
        if entry < VMEMMAP:
            return self.word(entry + at)
        pfn: u64 = (entry - VMEMMAP) >> 6
        if pfn >= self.frames or (entry & 63) != self.o_lru:
            return 0
        value: u64 = self.of_page(pfn, self.o_lru + at)
        if value == 0:
            stride: u64 = self.pages.chunk_stride
            return entry + stride if self.pages.boot_to_tail != back else entry - stride
        return value

    def tail(self, pfn: u64) -> bint:
        """Is a frame's struct page the tail of a compound page?"""
        if self.flag_tail != 0:
            return self.of_page(pfn, 0) & self.flag_tail != 0
        return self.of_page(pfn, self.o_compound) & 1 != 0

    def marked(self, pfn: u64) -> i32:
        """The order of the free chunk that begins at a frame; -1 if none does.

        Pristine chunks do not count.
        """
        if (self.of_page(pfn, self.o_counts) & self.buddy_mask) != self.buddy_value:
            return -1
        order: u64 = self.of_page(pfn, self.o_private)
        return order if order <= self.order_max else self.order_max

    def pristine_head(self, zone: u64, pfn: u64) -> bint:
        """Does a pristine chunk of the largest order begin at this frame?"""
        top: u64 = 1
        if pfn & ((top << self.order_max) - 1) != 0 or pfn >= self.frames:
            return False
        if pfn < self.word(zone + ZONE_PRISTINE_FIRST) or pfn >= self.word(
            zone + ZONE_PRISTINE_END
        ):
            return False
        return self.of_page(pfn, self.o_counts) == 0

    def block_flags(self, pfn: u64) -> u64:
        """The bits of a frame's pageblock."""
        bit: u64 = (pfn >> self.block_order) * self.block_bits
        ones: u64 = 1
        ones = (ones << self.block_bits) - 1
        return (self.w[(self.bitmap >> 3) + (bit >> 6)] >> (bit & 63)) & ones

    def block_type(self, pfn: u64) -> i32:
        """The type of a frame's pageblock; 6 and 7 are none."""
        flags: u64 = self.block_flags(pfn)
        if self.block_bits == 8 and flags & 16 != 0:
            return self.pages.mt_isolate
        return flags & 7

    def zone_end(self, zone: u64) -> u64:
        """The first frame after a zone."""
        return self.word(zone + ZONE_START_PFN) + self.word(zone + ZONE_SPANNED)

    def cover(self, zone: u64, pfn: u64, order: i32) -> u64:
        """The frame of a free chunk of a larger order that covers ``pfn``; ~0 if none does."""
        ones: u64 = 1
        head: u64
        above: i32 = order + 1
        while above <= self.order_max:
            head = pfn & ~((ones << above) - 1)
            if head < self.frames and self.marked(head) >= above:
                return head
            above += 1
        head = pfn & ~((ones << self.order_max) - 1)
        if order < self.order_max and self.pristine_head(zone, head):
            return head
        return LOW32 << 32 | LOW32
