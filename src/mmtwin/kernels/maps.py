"""The text of /proc/PID/maps, taken apart."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

GATE = "ffffffffff600000-"


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
    return (area_of(line) for line in text.splitlines() if not line.startswith(GATE))


@lru_cache(maxsize=1 << 16)
def area_of(line: str) -> Area:
    """One line of maps; the same ones come again and again."""
    parts = line.split(None, 5)
    low, _, high = parts[0].partition("-")
    name = parts[5] if len(parts) > 5 else ""
    start, end = int(low, 16), int(high, 16)
    return Area(start, end, parts[1], int(parts[2], 16), parts[3], int(parts[4]), name)
