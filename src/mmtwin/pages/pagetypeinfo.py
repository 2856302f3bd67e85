"""/proc/pagetypeinfo: free chunks and pageblocks by migratetype; written, read, and loaded."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mmtwin.pages.buddyinfo import BadText
from mmtwin.pages.load import Load
from mmtwin.pages.pages import Pages
from mmtwin.pages.zone import Zones

COUNT_MAX = 100000
"""Chunks of one list that kernels since 5.4 count; a larger number is written ``>100000``."""
LINES_READ_MAX = 65536

_ROW = re.compile(r"Node +(\d+), zone +(\S+), type +(\S+) +((?:>?\d+ *)+)$")
_BLOCKS = re.compile(r"Node (\d+), zone +(\S+) +((?:\d+ *)+)$")


@dataclass(slots=True)
class ZoneTypes:
    """One zone: ``free[type][order]`` chunks, ``blocks[type]`` pageblocks, by types' names."""

    node: int
    zone: str
    free: dict[str, tuple[int, ...]] = field(default_factory=dict)
    blocks: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class PageTypeInfo:
    """The whole file. ``capped`` says that a count was too large to be told."""

    pageblock_order: int
    zones: list[ZoneTypes] = field(default_factory=list)
    capped: bool = False

    def zone(self, node: int, name: str) -> ZoneTypes:
        """The zone of that name, made if it is new."""
        for zone in self.zones:
            if (zone.node, zone.zone) == (node, name):
                return zone
        self.zones.append(ZoneTypes(node, name))
        return self.zones[-1]


def pagetypeinfo(pages: Zones) -> PageTypeInfo:
    """What the file would say; lists are counted along their links, not taken from nr_free."""
    info = PageTypeInfo(pages.pageblock_order)
    for at in pages.populated_zones():
        zone = info.zone(pages.zone_to_nid(at), pages.zone_name(at))
        for migratetype, name in enumerate(pages.types.names):
            zone.free[name] = tuple(
                pages.free_list_count(at, order, migratetype)
                for order in range(pages.order_max + 1)
            )
            zone.blocks[name] = 0
        end = pages.zone_end_pfn(at)
        for pfn in range(pages.zone_start_pfn(at), end, pages.pageblock_nr_pages):
            start = pfn & ~(pages.pageblock_nr_pages - 1)
            migratetype = pages.get_pfnblock_migratetype(start)
            if migratetype < len(pages.types):
                zone.blocks[pages.types.name(migratetype)] += 1
    return info


def text(info: PageTypeInfo, *, cap: bool = True) -> str:
    """The file as kernels write it; up to 5.3 counts were not capped."""
    lines = [f"Page block order: {info.pageblock_order}"]
    lines += [f"Pages per block:  {1 << info.pageblock_order}", ""]
    label = "Free pages count per migrate type at order"
    for node in dict.fromkeys(zone.node for zone in info.zones):
        zones = [zone for zone in info.zones if zone.node == node]
        orders = len(next(iter(zones[0].free.values())))
        lines.append(f"{label:<43} " + "".join(f"{order:6} " for order in range(orders)))
        for zone in zones:
            for name, counts in zone.free.items():
                row = "".join(_count(count, cap) for count in counts)
                lines.append(f"Node {node:4}, zone {zone.zone:>8}, type {name:>12} {row}")
        lines.append("")
        names = "".join(f"{name:>12} " for name in zones[0].blocks)
        lines.append(f"{'Number of blocks type':<23}{names}".replace(":", ""))
        for zone in zones:
            row = "".join(f"{count:12} " for count in zone.blocks.values())
            lines.append(f"Node {node}, zone {zone.zone:>8} {row}")
    return "\n".join(lines) + "\n"


def _count(count: int, cap: bool) -> str:
    return f"{'>' if cap and count > COUNT_MAX else ''}{min(count, COUNT_MAX) if cap else count:6} "


def parse(content: str) -> PageTypeInfo:
    """What a file says; :class:`BadText` names the first line that makes no sense."""
    lines = content.splitlines()
    if len(lines) > LINES_READ_MAX:
        raise BadText(f"pagetypeinfo has more than {LINES_READ_MAX} lines")
    if not lines or not re.fullmatch(r"Page block order: \d+", lines[0].rstrip()):
        raise BadText("pagetypeinfo, line 1: no page block order")
    info = PageTypeInfo(int(lines[0].rsplit(":", 1)[1]))
    names: list[str] = []
    mixed = False
    for number, line in enumerate(lines[1:], 2):
        if row := _ROW.match(line):
            zone = info.zone(int(row[1]), row[2])
            info.capped = info.capped or ">" in row[4]
            zone.free[row[3]] = tuple(int(count.lstrip(">")) for count in row[4].split())
        elif line.startswith("Number of mixed blocks"):
            mixed = True
        elif line.startswith("Number of blocks type"):
            names = line.removeprefix("Number of blocks type").split()
            mixed = False
        elif blocks := _BLOCKS.match(line):
            counts = [int(count) for count in blocks[3].split()]
            if len(counts) != len(names):
                raise BadText(f"pagetypeinfo, line {number}: {len(names)} types, not {len(counts)}")
            if not mixed:
                zone = info.zone(int(blocks[1]), blocks[2])
                zone.blocks = dict(zip(names, counts, strict=True))
        elif line.strip() and not line.startswith(("Pages per block:", "Free pages count")):
            raise BadText(f"pagetypeinfo, line {number}: {line[:60]!r} is no line of this file")
    return info


def load(pages: Pages, info: PageTypeInfo) -> dict[str, int]:
    """Bring zones into a state with these free lists; what did not fit, by zone's name, in pages.

    The file does not say where the chunks are: each type's chunks are laid into blocks of its
    type, largest first, from the zone's start; everything else is in use. Two chunks of one order
    are never laid beside each other as buddies, or they would have merged.
    """
    unplaced: dict[str, int] = {}
    loader = Load(pages)
    by_name = {(pages.zone_to_nid(at), pages.zone_name(at)): at for at in pages.populated_zones()}
    for zone in info.zones:
        at = by_name.get((zone.node, zone.zone))
        if at is None:
            raise BadText(f"there is no zone {zone.zone} of node {zone.node} here")
        loader.take_all(at)
        unplaced[zone.zone] = _lay(pages, loader, at, zone)
    return unplaced


def _lay(pages: Pages, loader: Load, at: int, zone: ZoneTypes) -> int:
    """Lay one zone's chunks down, type by type; how many pages found no place.

    Chunks of the largest order lie at the zone's end, the others begin at its start.
    """
    top = 1 << pages.order_max
    block = pages.pageblock_nr_pages
    pfn = pages.zone_start_pfn(at)
    end = pages.zone_end_pfn(at) & ~(top - 1)
    left = 0
    for name, counts in zone.free.items():
        if name not in pages.types.names:
            raise BadText(f"this kernel has no type {name}")
        migratetype = pages.types.names.index(name)
        for order in range(len(counts)):
            size = 1 << order
            for _ in range(counts[order]):
                place = end - top if order == pages.order_max else -(-pfn // size) * size
                if place < pfn or place + size > end:
                    left += size
                    continue
                for first in range(place, place + size, block):
                    pages.set_pageblock_migratetype(pages.pfn_to_page(first), migratetype)
                loader.put_free(place, order, migratetype)
                if order == pages.order_max:
                    end = place
                else:
                    # The buddy stays in use: two free ones would have merged.
                    pfn = place + (size if place & size else 2 * size)
        pfn = -(-pfn // block) * block
    return left
