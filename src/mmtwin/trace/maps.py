"""The text of /proc/PID/maps, read strictly.

Lines repeat from one snapshot to the next, so a line once read is kept (the objects are
immutable) and a snapshot costs one dictionary look-up a line: O(lines).
Source: show_map_vma() in fs/proc/task_mmu.c, as ``man 5 proc`` documents it.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from mmtwin.trace.errors import MapsError

PAGE_SIZE: Final = 4096
LINES_KEPT: Final = 1 << 16


class MapLine(msgspec.Struct, frozen=True, gc=False):
    """One mapping."""

    start: int
    end: int
    """Exclusive."""
    perms: str
    """Four characters: ``r`` or ``-``, ``w`` or ``-``, ``x`` or ``-``, ``s`` (shared) or ``p``."""
    offset: int
    """Bytes into the file; 0 without one."""
    major: int
    minor: int
    inode: int
    name: str
    """As printed: a newline in a path is ``\\012``, an unlinked file ends in `` (deleted)``."""


LINE: Final = re.compile(
    r"([0-9a-f]{8,16})-([0-9a-f]{8,16}) ([r-][w-][x-][sp]) ([0-9a-f]{8,16})"
    r" ([0-9a-f]{2,8}):([0-9a-f]{2,8}) ([0-9]{1,20}) (?: *([^ \0\n][^\0\n]*))?",
    re.ASCII,
)

_kept: dict[str, MapLine] = {}


def _read_line(text: str) -> MapLine | str:
    """The mapping that one line (without its newline) tells of, or what is wrong with it."""
    match = LINE.fullmatch(text)
    if match is None:
        return f"not a mapping: {text[:80]!r}"
    start, end, perms, offset, major, minor, inode, name = match.groups()
    line = MapLine(
        int(start, 16),
        int(end, 16),
        perms,
        int(offset, 16),
        int(major, 16),
        int(minor, 16),
        int(inode),
        name or "",
    )
    if line.start >= line.end:
        return f"empty or backward range {start}-{end}"
    if (line.start | line.end | line.offset) % PAGE_SIZE:
        return f"range or offset not page aligned: {text[:80]!r}"
    if line.inode >= 1 << 64:
        return f"inode {inode} out of range"
    return line


def parse_maps(text: str) -> list[MapLine]:
    """The mappings of a whole text, in its order.

    Raises ``MapsError`` on a line that no kernel prints and on a text that does not end with a
    newline. The order is not checked: a process whose other threads ran while it was read can
    show the same range twice. The empty text is a process without memory.
    """
    if not text:
        return []
    lines = text.split("\n")
    if lines.pop():
        raise MapsError(len(lines) + 1, "cut short inside a line")
    kept = _kept
    found = [line for line in map(kept.get, lines) if line is not None]
    if len(found) == len(lines):
        return found
    if len(kept) + len(lines) > LINES_KEPT:
        kept.clear()
    found.clear()
    for number, line in enumerate(lines, 1):
        mapping = kept.get(line)
        if mapping is None:
            read = _read_line(line)
            if isinstance(read, str):
                raise MapsError(number, read)
            mapping = kept[line] = read
        found.append(mapping)
    return found
