"""A program's image on a machine whose pages are larger than those it was recorded with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmtwin.space.exec import VSYSCALL, MapsLine


@dataclass(frozen=True, slots=True)
class ImageLine:
    """A line of an image, moved and made larger; see :class:`mmtwin.space.exec.MapsLine`."""

    start: int
    end: int
    perms: str
    offset: int
    major: int
    minor: int
    inode: int
    name: str


def laid_out(lines: Sequence[MapsLine], page_size: int) -> list[MapsLine]:
    """The lines with whole pages of ``page_size`` bytes, in the same order.

    Each begins in the page that it began in, unless the one before needs that page: what adjoined
    still adjoins. Lengths are rounded up, and places in files down, as if each segment had been
    linked for such pages; a program that was not could not be loaded at all. The gate page is no
    memory of the program's and stays.
    """
    found: list[MapsLine] = []
    end = below = 0
    for line in sorted(lines, key=lambda line: line.start):
        if line.name == VSYSCALL:
            found.append(line)
            continue
        start = max(line.start & -page_size, end)
        if line.start == below:
            start = end
        below = line.end
        end = start + (line.end - line.start + page_size - 1 & -page_size)
        found.append(
            ImageLine(
                start,
                end,
                line.perms,
                line.offset & -page_size,
                line.major,
                line.minor,
                line.inode,
                line.name,
            )
        )
    return found


def moved(address: int, lines: Sequence[MapsLine], laid: Sequence[MapsLine]) -> int:
    """Where an address lies after :func:`laid_out`: in the same line, or behind the one below.

    0 stays 0.
    """
    where = address
    for line, there in zip(sorted(lines, key=lambda line: line.start), laid, strict=True):
        if line.start <= address and line.name != VSYSCALL:
            where = address + there.start - line.start
            if address >= line.end:
                where = max(where, there.end)
    return where
