"""Which mappings have anonymous pages, seen through /proc/PID/pagemap (PAGEMAP_SCAN, Linux 6.7).

A private mapping gets its anon_vma when the program first writes to it, and whether two
neighbours merge can hang on that. The recorder looks before each call that could merge, split
or unmap: one scan for each private mapping that was not known to have such a page, which stops
at the first one found.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from bisect import bisect_left, bisect_right
from typing import Final

from mmtwin.trace.maps import MapLine

PAGEMAP_SCAN: Final = 0xC0606610
PAGE_IS_FILE: Final = 4
PAGE_IS_PRESENT: Final = 8
PAGE_IS_SWAPPED: Final = 16
PAGE_IS_PFNZERO: Final = 32


class ScanArguments(ctypes.Structure):
    """struct pm_scan_arg."""

    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in (
            "size",
            "flags",
            "start",
            "end",
            "walk_end",
            "vec",
            "vec_len",
            "max_pages",
            "category_inverted",
            "category_mask",
            "category_anyof_mask",
            "return_mask",
        )
    )


class PageRegion(ctypes.Structure):
    """struct page_region."""

    _fields_ = tuple((name, ctypes.c_uint64) for name in ("start", "end", "categories"))


class Touches:
    """What one address space is known to have touched."""

    def __init__(self) -> None:
        self._pages: list[int] = []
        """Addresses of pages known to be anonymous, ascending."""
        self._stack = 0
        """The lowest address of [stack] when last seen."""
        self._region = PageRegion()
        self._scan = ScanArguments(
            size=ctypes.sizeof(ScanArguments),
            vec=ctypes.addressof(self._region),
            vec_len=1,
            max_pages=1,
            category_inverted=PAGE_IS_FILE | PAGE_IS_PFNZERO,
            category_mask=PAGE_IS_FILE | PAGE_IS_PFNZERO,
            category_anyof_mask=PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
            return_mask=PAGE_IS_PRESENT,
        )

    def copy(self) -> Touches:
        """What a forked child has, its parent's pages being copied."""
        child = Touches()
        child._pages = self._pages.copy()
        child._stack = self._stack
        return child

    def forget(self, start: int, end: int) -> None:
        """What was mapped in ``[start, end)`` may be gone."""
        pages = self._pages
        del pages[bisect_left(pages, start) : bisect_left(pages, end)]

    def look(self, tid: int, mappings: list[MapLine]) -> list[int]:
        """Addresses of pages touched since the last look: at most one new one for each mapping,
        and the lowest page of a stack that has grown."""
        found: list[int] = []
        try:
            pagemap = os.open(f"/proc/{tid}/pagemap", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return found
        try:
            for mapping in mappings:
                perms = mapping.perms
                if perms[1] != "w" or perms[3] != "p":
                    continue  # cannot have been written to since the last look, or not anonymous
                if mapping.name == "[stack]" and self._grown(mapping.start):
                    found.append(mapping.start)
                    self._add(mapping.start)
                elif not self._has_page(mapping):
                    page = self._first_anonymous(pagemap, mapping)
                    if page is not None:
                        found.append(page)
                        self._add(page)
        finally:
            os.close(pagemap)
        return found

    def stack(self, mappings: list[MapLine]) -> int | None:
        """The lowest page of a stack that has grown since the last look; None if it has not."""
        for mapping in reversed(mappings):
            if mapping.name == "[stack]":
                if not self._grown(mapping.start):
                    return None
                self._add(mapping.start)
                return mapping.start
        return None

    def _grown(self, start: int) -> bool:
        grown = 0 < start < self._stack
        self._stack = start
        return grown

    def _add(self, page: int) -> None:
        self._pages.insert(bisect_left(self._pages, page), page)

    def _has_page(self, mapping: MapLine) -> bool:
        index = bisect_left(self._pages, mapping.start)
        return index < bisect_right(self._pages, mapping.end - 1)

    def _first_anonymous(self, pagemap: int, mapping: MapLine) -> int | None:
        """The first page of a mapping that is anonymous, swapped out or not; None if none is."""
        self._scan.start, self._scan.end = mapping.start, mapping.end
        try:
            regions = fcntl.ioctl(pagemap, PAGEMAP_SCAN, self._scan)
        except OSError as error:
            if error.errno == errno.ESRCH:
                return None
            raise
        return int(self._region.start) if regions else None


def available() -> bool:
    """Whether this kernel can scan a pagemap."""
    try:
        Touches().look(os.getpid(), [MapLine(4096, 8192, "rw-p", 0, 0, 0, 0, "")])
    except OSError:
        return False
    return True
