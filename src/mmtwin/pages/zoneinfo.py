"""/proc/zoneinfo: what it says about zones and per-cpu lists; written for 6.1, read for all.

Statistics that the allocator does not keep are passed over when reading and not written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mmtwin.pages.buddyinfo import BadText
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


NAMES = ("boost", "min", "low", "high", "spanned", "present", "managed", "cma")


def zoneinfo(pages: Pages) -> list[ZoneText]:
    """The populated zones."""
    found = []
    for zone in pages.populated_zones():
        view = pages.zone_view(zone)
        values = {
            "free": view.get("nr_free_pages"),
            "boost": view.get("watermark_boost"),
            **{name: view.get("_watermark", n) for n, name in enumerate(("min", "low", "high"))},
            "spanned": view.get("spanned_pages"),
            "present": view.get("present_pages"),
            "managed": view.get("managed_pages"),
            "cma": view.get("cma_pages"),
            "nr_free_pages": view.get("nr_free_pages"),
            "nr_free_cma": view.get("nr_free_cma"),
            "start_pfn": view.get("zone_start_pfn"),
        }
        zones = pages.era.zones_max
        protection = tuple(pages.lowmem_reserve(zone, index) for index in range(zones))
        cpus = [
            {name: pages.pcp_view(zone, cpu).get(name) for name in ("count", "high", "batch")}
            for cpu in range(pages.cpus)
        ]
        name = pages.zone_name(zone)
        found.append(ZoneText(pages.zone_to_nid(zone), name, values, protection, cpus))
    return found


def text(zones: list[ZoneText]) -> str:
    """The file in the form of 6.1, without the statistics that are not the allocator's."""
    lines = []
    for zone in zones:
        values = zone.values
        lines.append(f"Node {zone.node}, zone {zone.zone:>8}")
        lines.append(f"  pages free     {values['free']}")
        lines += [f"        {name:<8} {values[name]}" for name in NAMES if name in values]
        lines.append(f"        protection: ({', '.join(map(str, zone.protection))})")
        lines += [f"      {name:<12} {values[name]}" for name in values if name.startswith("nr_")]
        lines.append("  pagesets")
        for number, cpu in enumerate(zone.cpus):
            lines.append(f"    cpu: {number}")
            lines += [f"              {name + ':':<6} {value}" for name, value in cpu.items()]
        lines.append(f"  start_pfn:           {values['start_pfn']}")
    return "\n".join(lines) + "\n"


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
        elif item and not per_node:
            indented = len(line) - len(line.lstrip())
            target = cpu if cpu is not None and indented > 8 else zone.values
            target[item[1]] = int(item[2])
    return zones
