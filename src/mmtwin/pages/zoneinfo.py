"""/proc/zoneinfo: what it says about nodes, zones and per-cpu lists; read, and written as read.

Of the twin's own state what the allocator keeps is written, in the forms of 3.15, 6.1 and 6.18.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import isqrt

from mmtwin.pages import layouts as c
from mmtwin.pages import node_layouts as n
from mmtwin.pages.buddyinfo import BadText
from mmtwin.pages.kswapd import MAX_RECLAIM_RETRIES
from mmtwin.pages.pages import Pages

LINES_READ_MAX = 1 << 20

_HEAD = re.compile(r"Node (\d+), zone +(\S+)$")
_ITEM = re.compile(r"\s+(?:pages )?([a-z_]+):?\s+(-?\d+)$")
_PROTECTION = re.compile(r"\s+protection: \(([\d, ]+)\)$")


@dataclass(slots=True)
class ZoneText:
    """One zone: ``values`` in pages by name (``free``, ``min``, ``nr_free_cma`` ...)."""

    node: int
    zone: str
    values: dict[str, int] = field(default_factory=dict)
    protection: tuple[int, ...] = ()
    cpus: list[dict[str, int]] = field(default_factory=list)
    node_stats: dict[str, int] = field(default_factory=dict)
    """The node's, in its first populated zone, since 4.8."""


BLOCK = ("boost", "min", "low", "high", "promo", "scanned", "spanned", "present", "managed", "cma")
"""What stands below ``pages free``."""
TAIL = ("all_unreclaimable", "node_unreclaimable", "start_pfn", "inactive_ratio")
"""What stands below the per-cpu lists."""
KEPT = (*n.LRU_NAMES, "isolated_anon", "isolated_file", "file_pages", "swapcached")
"""Statistics of a node that the allocator keeps."""
THRESHOLD = "vm stats threshold"


def zoneinfo(pages: Pages) -> list[ZoneText]:
    """The populated zones, with what the allocator knows of what the era's kernel prints."""
    old = pages.era.name == "3.15"
    found: list[ZoneText] = []
    for zone in pages.populated_zones():
        node = pages.zone_to_nid(zone)
        text = ZoneText(
            node,
            pages.zone_name(zone),
            _values_315(pages, zone) if old else _values(pages, zone),
            tuple(pages.lowmem_reserve(zone, index) for index in range(pages.era.zones_max)),
            [_cpu(pages, zone, cpu) for cpu in range(pages.cpus)],
        )
        if not old and node not in (one.node for one in found):
            text.node_stats = {f"nr_{name}": pages.node_page_state(node, name) for name in KEPT}
        found.append(text)
    return found


def _marks(pages: Pages, zone: int) -> dict[str, int]:
    view = pages.zone_view(zone)
    return {name: view.get("_watermark", nth) for nth, name in enumerate(("min", "low", "high"))}


def _values(pages: Pages, zone: int) -> dict[str, int]:
    """What 6.1 and 6.18 say of a zone."""
    view = pages.zone_view(zone)
    marks = _marks(pages, zone)
    values = {"free": view.get("nr_free_pages"), "boost": view.get("watermark_boost"), **marks}
    if pages.era.name == "6.18":
        values["promo"] = 2 * marks["high"] - marks["low"]
    values |= {
        "spanned": view.get("spanned_pages"),
        "present": view.get("present_pages"),
        "managed": view.get("managed_pages"),
        "cma": view.get("cma_pages"),
        "nr_free_pages": view.get("nr_free_pages"),
    }
    if pages.era.name == "6.18":
        orders = range(pages.pageblock_order, pages.order_max + 1)
        values["nr_free_pages_blocks"] = sum(
            pages.nr_free(zone, order) << order for order in orders
        )
    for nth, name in enumerate(n.LRU_NAMES):
        values[f"nr_zone_{name}"] = pages.memory.load(zone + c.ZONE_LRU + 8 * nth)
    values["nr_free_cma"] = view.get("nr_free_cma")
    failures = pages.node_word(pages.zone_to_nid(zone), "kswapd_failures")
    values["node_unreclaimable"] = int(failures >= MAX_RECLAIM_RETRIES)
    values["start_pfn"] = view.get("zone_start_pfn")
    return values


def _values_315(pages: Pages, zone: int) -> dict[str, int]:
    """What 3.15 says of a zone, whose lists of pages in use are a zone's."""
    view = pages.zone_view(zone)
    values = {
        "free": view.get("nr_free_pages"),
        **_marks(pages, zone),
        "scanned": 0,
        "spanned": view.get("spanned_pages"),
        "present": view.get("present_pages"),
        "managed": view.get("managed_pages"),
        "nr_free_pages": view.get("nr_free_pages"),
        "nr_alloc_batch": view.get("nr_alloc_batch"),
    }
    for nth, name in enumerate(n.LRU_NAMES):
        values[f"nr_{name}"] = pages.memory.load(zone + c.ZONE_LRU + 8 * nth)
    values["nr_free_cma"] = view.get("nr_free_cma")
    values["all_unreclaimable"] = 0
    values["start_pfn"] = view.get("zone_start_pfn")
    gigabytes = view.get("managed_pages") >> 18
    values["inactive_ratio"] = isqrt(10 * gigabytes) if gigabytes else 1
    return values


def _cpu(pages: Pages, zone: int, cpu: int) -> dict[str, int]:
    names = ["count", "high", "batch"]
    if pages.era.name == "6.18":
        names += ["high_min", "high_max"]
    view = pages.pcp_view(zone, cpu)
    return {name: view.get(name) for name in names}


def text(zones: list[ZoneText]) -> str:
    """The file in the form of the kernel that the zones are of; what it has no values for is not
    written."""
    lines: list[str] = []
    for zone in zones:
        old = "scanned" in zone.values
        lines.append(f"Node {zone.node}, zone {zone.zone:>8}")
        if zone.node_stats:
            lines.append("  per-node stats")
            lines += [f"      {name:<12} {value}" for name, value in zone.node_stats.items()]
        lines.append(f"  pages free     {zone.values['free']}")
        named = {name: value for name, value in zone.values.items() if name != "free"}
        lines += [f"        {name:<8} {value}" for name, value in named.items() if name in BLOCK]
        protection = f"        protection: ({', '.join(map(str, zone.protection))})"
        counted = [
            f"{'    ' if old else '      '}{name:<12} {value}"
            for name, value in named.items()
            if name not in BLOCK and name not in TAIL
        ]
        lines += [*counted, protection] if old else [protection, *counted]
        if zone.cpus:
            lines.append("  pagesets")
        for number, cpu in enumerate(zone.cpus):
            lines += _cpu_text(number, cpu)
        width = 18 if old else 20
        lines += [
            f"  {name + ':':<{width}} {value}" for name, value in named.items() if name in TAIL
        ]
    return "\n".join(lines) + "\n"


def _cpu_text(number: int, cpu: dict[str, int]) -> list[str]:
    width = 9 if "high_min" in cpu else 6
    shown = {name: value for name, value in cpu.items() if name != THRESHOLD}
    lines = [f"    cpu: {number}"]
    lines += [f"              {name + ':':<{width}} {value}" for name, value in shown.items()]
    if THRESHOLD in cpu:
        lines.append(f"  {THRESHOLD}: {cpu[THRESHOLD]}")
    return lines


def parse(content: str) -> list[ZoneText]:
    """The zones of a file of any version; :class:`BadText` if it begins otherwise or is huge."""
    lines = content.splitlines()
    if len(lines) > LINES_READ_MAX:
        raise BadText(f"zoneinfo has more than {LINES_READ_MAX} lines")
    zones: list[ZoneText] = []
    cpu: dict[str, int] | None = None
    per_node = False
    for number, line in enumerate(lines, 1):
        if head := _HEAD.match(line):
            zones.append(ZoneText(int(head[1]), head[2]))
            cpu = None
            continue
        if not zones:
            raise BadText(f"zoneinfo, line {number}: {line[:60]!r} before any zone")
        zone = zones[-1]
        item = _ITEM.match(line)
        if line.strip() == "per-node stats":
            per_node = True
        elif line.startswith("  pages free"):
            per_node = False
        if protection := _PROTECTION.match(line):
            zone.protection = tuple(int(value) for value in protection[1].split(","))
        elif item and item[1] == "cpu":
            cpu = {}
            zone.cpus.append(cpu)
        elif line.startswith(f"  {THRESHOLD}: ") and cpu is not None:
            cpu[THRESHOLD] = int(line.split(":")[1])
        elif item and per_node:
            zone.node_stats[item[1]] = int(item[2])
        elif item:
            indented = len(line) - len(line.lstrip())
            target = cpu if cpu is not None and indented > 8 else zone.values
            target[item[1]] = int(item[2])
    return zones
