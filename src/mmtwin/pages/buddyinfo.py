"""/proc/buddyinfo: the number of free chunks of each order, zone by zone; written and read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mmtwin.pages.zone import Zones

ZONES_READ_MAX = 4096
"""Lines that a text may have: more than any machine's zones."""

_LINE = re.compile(r"Node (\d+), zone +(\S+) +((?:\d+ *)+)$")


class BadText(ValueError):
    """A text is not what it should be; the message names the line."""


@dataclass(frozen=True, slots=True)
class BuddyLine:
    """One zone's line: free chunks by order."""

    node: int
    zone: str
    counts: tuple[int, ...]

    @property
    def pages(self) -> int:
        """Free pages in all."""
        return sum(count << order for order, count in enumerate(self.counts))

    def __str__(self) -> str:
        counts = "".join(f"{count:6} " for count in self.counts)
        return f"Node {self.node}, zone {self.zone:>8} {counts}"


def buddyinfo(pages: Zones) -> list[BuddyLine]:
    """The lines of all populated zones."""
    return [
        BuddyLine(
            pages.zone_to_nid(zone),
            pages.zone_name(zone),
            tuple(pages.nr_free(zone, order) for order in range(pages.order_max + 1)),
        )
        for zone in pages.populated_zones()
    ]


def text(lines: list[BuddyLine]) -> str:
    """The file as kernels write it."""
    return "".join(f"{line}\n" for line in lines)


def parse(content: str) -> list[BuddyLine]:
    """The lines of a file; :class:`BadText` names the first that is none."""
    found: list[BuddyLine] = []
    for number, line in enumerate(content.splitlines(), 1):
        match = _LINE.match(line)
        if match is None:
            raise BadText(f"buddyinfo, line {number}: {line[:60]!r} is no zone's line")
        if len(found) == ZONES_READ_MAX:
            raise BadText(f"buddyinfo has more than {ZONES_READ_MAX} lines")
        counts = tuple(int(count) for count in match[3].split())
        found.append(BuddyLine(int(match[1]), match[2], counts))
    return found
