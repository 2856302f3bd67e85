"""The text of /proc/PID/maps, taken apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

GATE = 0xFFFFFFFFFF600000
AREA_HEAD = re.compile(r"^([0-9a-f]+)-[0-9a-f]+ ")
"""How the first line of an area begins, in maps and in smaps."""


class Area(NamedTuple):
    """One line: [start, end), letters such as ``rw-p``, offset in bytes, device, inode, name."""

    start: int
    end: int
    letters: str
    offset: int
    device: str
    inode: int
    name: str

    @property
    def pages(self) -> int:
        """Length in pages of 4096 bytes."""
        return (self.end - self.start) >> 12


def areas(text: str) -> Iterator[Area]:
    """Every line of ``text`` but the gate area's, in order.

    Raises ValueError for text that is not of this form.
    """
    for line in text.splitlines():
        parts = line.split(None, 5)
        low, _, high = parts[0].partition("-")
        start = int(low, 16)
        if start == GATE:
            continue
        name = parts[5] if len(parts) > 5 else ""
        yield Area(start, int(high, 16), parts[1], int(parts[2], 16), parts[3], int(parts[4]), name)
