"""Reservation maps of huge pages: which pages of a file were promised, or of an area used up.

A shared file's map holds the pages that are promised or allocated. The map of a private area holds
those whose promise is used up: what it does not hold, is still promised. ``struct resv_map`` and
``struct file_region``, mm/hugetlb.c. What the kernel sets aside between ``region_chg`` and
``region_add``, so that the second cannot fail, is not kept: nothing comes between here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mmtwin.machine.gfp import GFP_KERNEL, NOFAIL
from mmtwin.memory.allocator import Arena
from mmtwin.memory.memory import Memory
from mmtwin.space.layouts import Layouts

REFS: Final = 0
REGIONS: Final = 8
FROM: Final = 16
TO: Final = 24
END: Final = (1 << 63) - 1
"""LONG_MAX: to the end of the file."""


class ResvMaps:
    """Maps and their regions; a range is [``start``, ``end``) in huge pages of the file."""

    def __init__(self, memory: Memory, layouts: Layouts) -> None:
        self.memory = memory
        self.maps = Arena(memory, layouts.resv_map.size, 8, "resv_map")
        self.entries = Arena(memory, layouts.file_region.size, 8, "file_region")

    def alloc(self) -> int:
        """An empty map with one reference; 0 without memory."""
        resv = self.maps.alloc(GFP_KERNEL)
        if resv:
            self.memory.store32(resv + REFS, 1)
            self.memory.store(resv + REGIONS, resv + REGIONS)
            self.memory.store(resv + REGIONS + 8, resv + REGIONS)
        return int(resv)

    def get(self, resv: int) -> None:
        """Take a reference."""
        self.memory.store32(resv + REFS, self.memory.load32(resv + REFS) + 1)

    def put(self, resv: int) -> None:
        """Drop a reference; the last one frees the map."""
        refs = self.memory.load32(resv + REFS) - 1
        self.memory.store32(resv + REFS, refs)
        if not refs:
            self.region_del(resv, 0, END)
            self.maps.free(resv)

    def regions(self, resv: int) -> Iterator[tuple[int, int, int]]:
        """(region, first page, page after the last), lowest first; the region may be freed."""
        load = self.memory.load
        region = load(resv + REGIONS)
        while region != resv + REGIONS:
            after = load(region)
            yield region, load(region + FROM), load(region + TO)
            region = after

    def region_count(self, resv: int, start: int, end: int) -> int:
        """How many pages of the range the map holds."""
        return sum(
            max(min(end, last) - max(start, first), 0) for _, first, last in self.regions(resv)
        )

    def region_chg(self, resv: int, start: int, end: int) -> int:
        """How many pages ``region_add`` would add."""
        return end - start - self.region_count(resv, start, end)

    def region_add(self, resv: int, start: int, end: int) -> int:
        """Put the range into the map, joined with what adjoins it: how many pages are new."""
        added = self.region_chg(resv, start, end)
        before = resv + REGIONS
        for region, first, last in self.regions(resv):
            if last < start:
                before = region
            elif first <= end:
                start, end = min(start, first), max(end, last)
                self._unlink(region)
        self._link(start, end, before)
        return added

    def region_del(self, resv: int, start: int, end: int) -> int:
        """Take the range out of the map: how many pages it held of it."""
        held = self.region_count(resv, start, end)
        for region, first, last in self.regions(resv):
            if last <= start or first >= end:
                continue
            before = self.memory.load(region + 8)
            self._unlink(region)
            if first < start:
                before = self._link(first, start, before)
            if last > end:
                self._link(end, last, before)
        return held

    def _link(self, start: int, end: int, before: int) -> int:
        """A region behind ``before`` in the list."""
        memory = self.memory
        region = self.entries.alloc(GFP_KERNEL | NOFAIL)
        if not region:
            raise MemoryError("no memory for a region of huge pages")
        after = memory.load(before)
        memory.store(region, after)
        memory.store(region + 8, before)
        memory.store(region + FROM, start)
        memory.store(region + TO, end)
        memory.store(before, region)
        memory.store(after + 8, region)
        return int(region)

    def _unlink(self, region: int) -> None:
        memory = self.memory
        after, before = memory.load(region), memory.load(region + 8)
        memory.store(before, after)
        memory.store(after + 8, before)
        self.entries.free(region)
