"""Zones: runs of frames of one node, with their counters, and the order in which they are tried."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.memory.memory import Memory
from mmtwin.memory.view import View
from mmtwin.pages import layouts as c
from mmtwin.pages.era import PageEra
from mmtwin.pages.pageblock import Pageblocks

if not cython.compiled:
    from mmtwin.pages.words import add, load, store

VMEMMAP = declare(u64, c.VMEMMAP)
NODE_SHIFT = declare(u64, c.NODE_SHIFT)
ZONE_SHIFT = declare(u64, c.ZONE_SHIFT)
ZONE_MASK = declare(u64, c.ZONE_MASK)
ZONE_SIZE = declare(u64, c.ZONE_SIZE)
ZONES_MAX = declare(u64, c.ZONES_MAX)
ZONE_NODE = declare(u64, c.ZONE_NODE)
ZONE_INDEX = declare(u64, c.ZONE_INDEX)
ZONE_START_PFN = declare(u64, c.ZONE_START_PFN)
ZONE_SPANNED = declare(u64, c.ZONE_SPANNED)
ZONE_MANAGED = declare(u64, c.ZONE_MANAGED)
ZONE_MANAGED_FIRST = declare(u64, c.ZONE_MANAGED_FIRST)
ZONE_NR_FREE_PAGES = declare(u64, c.ZONE_NR_FREE_PAGES)
ZONE_NR_FREE_CMA = declare(u64, c.ZONE_NR_FREE_CMA)
ZONE_PAGE_FLAGS = declare(u64, c.ZONE_PAGE_FLAGS)
ZONE_FREE_AREA = declare(u64, c.ZONE_FREE_AREA)
FREE_AREA_SIZE = declare(u64, c.FREE_AREA_SIZE)
FREE_AREA_NR_FREE = declare(u64, c.FREE_AREA_NR_FREE)

ZONE_DMA, ZONE_DMA32, ZONE_NORMAL, ZONE_MOVABLE = range(4)
ZONE_NAMES = ("DMA", "DMA32", "Normal", "Movable", "Device")
MAX_DMA_PFN = 1 << 12
MAX_DMA32_PFN = 1 << 20


@dataclass(frozen=True, slots=True)
class ZoneSpec:
    """A zone to be: frames ``start_pfn`` up to ``end_pfn`` (exclusive), ``index`` from 0 = DMA.

    ``reserved`` are runs of frames (first, end) that boot keeps for itself.
    """

    index: int
    start_pfn: int
    end_pfn: int
    node: int = 0
    reserved: tuple[tuple[int, int], ...] = ()


def x86_64_zones(
    first_pfn: int, end_pfn: int, *, node: int = 0, movable_pfn: int = 0
) -> list[ZoneSpec]:
    """The zones that x86-64 makes of the frames ``first_pfn`` up to ``end_pfn`` (exclusive).

    Frames from ``movable_pfn`` on are in the Movable zone, if it is not 0.
    """
    limit = min(end_pfn, movable_pfn) if movable_pfn else end_pfn
    borders = [
        (ZONE_DMA, first_pfn, min(limit, MAX_DMA_PFN)),
        (ZONE_DMA32, max(first_pfn, MAX_DMA_PFN), min(limit, MAX_DMA32_PFN)),
        (ZONE_NORMAL, max(first_pfn, MAX_DMA32_PFN), limit),
        (ZONE_MOVABLE, max(first_pfn, limit), end_pfn),
    ]
    return [ZoneSpec(index, start, end, node) for index, start, end in borders if start < end]


def s390_zones(first_pfn: int, end_pfn: int) -> list[ZoneSpec]:
    """The zones that s390 makes of the frames up to ``end_pfn`` (exclusive): 31 bits, and the rest.

    From ``zone_sizes_init`` and MAX_DMA_ADDRESS of 6.1.
    """
    border = 1 << 19
    borders = [
        (ZONE_DMA, first_pfn, min(end_pfn, border)),
        (ZONE_NORMAL, max(first_pfn, border), end_pfn),
    ]
    return [ZoneSpec(index, start, end, 0) for index, start, end in borders if start < end]


class Zones(Pageblocks):
    """The zones of all nodes, and each node's zonelist.

    ``zones`` is an array of ``struct zone``, five a node; one that no spec names is not
    populated.
    """

    def __init__(
        self, memory: Memory, era: PageEra, memmap: u64, frames: u64, specs: Sequence[ZoneSpec]
    ) -> None:
        super().__init__(memory, era, memmap, frames)
        self.specs = tuple(specs)
        self.nodes = 1 + max(spec.node for spec in specs)
        count = self.nodes * c.ZONES_MAX
        self.zones = memory.boot_alloc(count * c.ZONE_SIZE, 64)
        self.zonelists = memory.boot_alloc(self.nodes * (count + 1) * 8, 8)
        for nth in range(count):
            zone = self.zones + nth * c.ZONE_SIZE
            node, index = divmod(nth, c.ZONES_MAX)
            view = self.zone_view(zone)
            view.name = ZONE_NAMES[index]
            view.node = node
            view.index = index
            view.page_flags = node << c.NODE_SHIFT | index << c.ZONE_SHIFT
            for order in range(c.ORDERS):
                for migratetype in range(c.FREE_AREA_LISTS):
                    self.list_init(self.free_list(zone, order, migratetype))
        for spec in specs:
            self._span(spec)
        for node in range(self.nodes):
            self._build_zonelist(node)

    def _span(self, spec: ZoneSpec) -> None:
        if spec.end_pfn > self.frames:
            raise ValueError(f"frame {spec.end_pfn - 1:#x} lies beyond the memory map")
        view = self.zone_view(self.zone_at(spec.node, spec.index))
        if view.get("spanned_pages"):
            raise ValueError(f"zone {view.name} of node {spec.node} is given twice")
        view.zone_start_pfn = spec.start_pfn
        view.managed_first = spec.start_pfn
        view.spanned_pages = view.present_pages = spec.end_pfn - spec.start_pfn

    def _build_zonelist(self, node: int) -> None:
        """Nearest node first, and within a node the highest zone first; 0 ends the list."""
        order = sorted(range(self.nodes), key=lambda other: (abs(other - node), other))
        at = self.zonelist(node)
        for other in order:
            for index in reversed(range(c.ZONES_MAX)):
                zone = self.zone_at(other, index)
                if self.populated(zone):
                    store(self.memory, at, zone)
                    at += 8

    # Which zone.

    def zone_at(self, node: i32, index: i32) -> u64:
        """The zone of a node by its index."""
        return self.zones + (node * ZONES_MAX + index) * ZONE_SIZE

    def zonelist(self, node: i32) -> u64:
        """The first entry of the node's zonelist; 0 ends it."""
        return self.zonelists + node * (self.nodes * ZONES_MAX + 1) * 8

    def populated_zones(self) -> list[int]:
        """The zones that have memory, by node and index."""
        found = (
            self.zone_at(node, index) for node in range(self.nodes) for index in range(c.ZONES_MAX)
        )
        return [zone for zone in found if self.populated(zone)]

    def zone_view(self, zone: int) -> View:
        """The zone's fields."""
        return View(self.memory, c.ZONE, zone)

    def zone_name(self, zone: int) -> str:
        """``DMA``, ``DMA32``, ``Normal``, ``Movable``."""
        return str(self.zone_view(zone).name)

    def populated(self, zone: u64) -> bint:
        """Has the zone any frames?"""
        return load(self.memory, zone + ZONE_SPANNED) != 0

    def zone_idx(self, zone: u64) -> i32:
        """0 is DMA, 1 DMA32, 2 Normal, 3 Movable."""
        return load(self.memory, zone + ZONE_INDEX)

    def zone_to_nid(self, zone: u64) -> i32:
        """The zone's node."""
        return load(self.memory, zone + ZONE_NODE)

    def zone_start_pfn(self, zone: u64) -> u64:
        """The first frame spanned."""
        return load(self.memory, zone + ZONE_START_PFN)

    def zone_end_pfn(self, zone: u64) -> u64:
        """The first frame after the span."""
        return load(self.memory, zone + ZONE_START_PFN) + load(self.memory, zone + ZONE_SPANNED)

    def zone_spans_pfn(self, zone: u64, pfn: u64) -> bint:
        """Does the frame lie in the zone's span?"""
        return load(self.memory, zone + ZONE_START_PFN) <= pfn and pfn < self.zone_end_pfn(zone)

    def managed_pages(self, zone: u64) -> u64:
        """Pages given to the buddy allocator."""
        return load(self.memory, zone + ZONE_MANAGED)

    def spanned(self, pfn: u64) -> bint:
        """Does any zone span the frame?"""
        return self.zone_of_pfn(pfn) != 0

    def zone_of_pfn(self, pfn: u64) -> u64:
        """The zone that spans the frame, 0 if none does."""
        nth: u64 = 0
        zone: u64
        count: u64 = self.nodes * ZONES_MAX
        while nth < count:
            zone = self.zones + nth * ZONE_SIZE
            if self.zone_spans_pfn(zone, pfn):
                return zone
            nth += 1
        return 0

    def page_zone(self, page: u64) -> u64:
        """The zone that ``page->flags`` names; of a pristine page the one that spans it."""
        at: u64 = page - self.shift
        if load(self.memory, at + self.o_counts) == 0 and self.pristine(page):
            return self.zone_of_pfn(self.page_to_pfn(page))
        flags: u64 = load(self.memory, at)
        return self.zone_at(flags >> NODE_SHIFT, (flags >> ZONE_SHIFT) & ZONE_MASK)

    def bad_range(self, zone: u64, page: u64) -> bint:
        """Does the page lie outside the zone, by its frame number or by its flags?"""
        memory = self.memory
        pfn: u64 = (page - VMEMMAP) >> 6
        start: u64 = load(memory, zone + ZONE_START_PFN)
        if pfn < start or pfn - start >= load(memory, zone + ZONE_SPANNED):
            return True
        flags: u64 = load(memory, page - self.shift)
        return (flags >> ZONE_SHIFT) != (load(memory, zone + ZONE_PAGE_FLAGS) >> ZONE_SHIFT)

    def page_reserved(self, page: u64) -> bint:
        """``PageReserved``: kept by boot. A pristine page is, unless boot gave it to the zone."""
        if not self.pristine(page):
            return (load(self.memory, page - self.shift) & self.flag_reserved) != 0
        pfn: u64 = self.page_to_pfn(page)
        zone: u64 = self.zone_of_pfn(pfn)
        return zone == 0 or pfn < load(self.memory, zone + ZONE_MANAGED_FIRST)

    # Free lists and counters.

    def free_list(self, zone: u64, order: i32, migratetype: i32) -> u64:
        """The head of a free list."""
        return zone + ZONE_FREE_AREA + order * FREE_AREA_SIZE + 16 * migratetype

    def nr_free(self, zone: u64, order: i32) -> u64:
        """``free_area[order].nr_free``: heads of that order on all lists together."""
        return load(self.memory, zone + ZONE_FREE_AREA + order * FREE_AREA_SIZE + FREE_AREA_NR_FREE)

    def nr_free_pages(self, zone: u64) -> u64:
        """NR_FREE_PAGES of the zone."""
        return load(self.memory, zone + ZONE_NR_FREE_PAGES)

    def mod_zone_freepage_state(self, zone: u64, delta: i64, migratetype: i32) -> i32:
        """Count ``delta`` more free pages of that type; returns 0."""
        add(self.memory, zone + ZONE_NR_FREE_PAGES, delta)
        if migratetype == self.mt_cma:
            add(self.memory, zone + ZONE_NR_FREE_CMA, delta)
        return 0

    def free_area_pages(self, zone: int, order: int, migratetype: int) -> Iterable[int]:
        """The heads on one free list, first to last; a list that does not end is cut off.

        Reads only: pristine heads stay pristine.
        """
        head = self.free_list(zone, order, migratetype)
        entry = self.link_next(head)
        left = self.frames + 1
        while entry != head and left:
            yield entry - self.o_lru
            entry = self.link_next(entry)
            left -= 1

    def free_list_count(self, zone: u64, order: i32, migratetype: i32) -> u64:
        """How many heads one free list holds, counted along its links."""
        head: u64 = self.free_list(zone, order, migratetype)
        entry: u64 = self.link_next(head)
        count: u64 = 0
        while entry != head and count <= self.frames:
            entry = self.link_next(entry)
            count += 1
        return count
