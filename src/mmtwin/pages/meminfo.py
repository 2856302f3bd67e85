"""The page-allocation-failure report and its Mem-Info (show_mem): written and read.

What the allocator does not know (LRU pages, dirty pages, page tables) is what its caller says it
is, and 0 by default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from mmtwin.pages.buddyinfo import BadText
from mmtwin.pages.pages import Pages

LINES_READ_MAX = 100000

TOTALS_61 = (
    ("active_anon", "inactive_anon", "isolated_anon"),
    ("active_file", "inactive_file", "isolated_file"),
    ("unevictable", "dirty", "writeback"),
    ("slab_reclaimable", "slab_unreclaimable"),
    ("mapped", "shmem", "pagetables"),
    ("sec_pagetables", "bounce"),
    ("kernel_misc_reclaimable",),
    ("free", "free_pcp", "free_cma"),
)
TOTALS_315 = (
    ("active_anon", "inactive_anon", "isolated_anon"),
    ("active_file", "inactive_file", "isolated_file"),
    ("unevictable", "dirty", "writeback", "unstable"),
    ("free", "slab_reclaimable", "slab_unreclaimable"),
    ("mapped", "shmem", "pagetables", "bounce"),
    ("free_cma",),
)
ZONE_61 = (
    "free boost min low high reserved_highatomic active_anon inactive_anon active_file"
    " inactive_file unevictable writepending present managed mlocked bounce free_pcp local_pcp"
    " free_cma"
)
ZONE_315 = (
    "free min low high active_anon inactive_anon active_file inactive_file unevictable"
    " isolated(anon) isolated(file) present managed mlocked dirty writeback mapped shmem"
    " slab_reclaimable slab_unreclaimable kernel_stack pagetables unstable bounce free_cma"
    " writeback_tmp"
)
CAPITAL = "reserved_highatomic"
"""The one field whose unit kernels print as KB."""

_FAILURE = re.compile(
    r"(?P<comm>.*?): page allocation failure: order:(?P<order>\d+), mode:(?P<mode>0x[0-9a-f]+)"
    r"(?:\((?P<names>[^)]*)\))?(?:, ?nodemask=(?P<nodemask>[^\s,]+))?(?P<rest>,.*)?$"
)
_ITEM = re.compile(r"([\w()]+):(\d+)(kB|KB)?")
_CHUNKS = re.compile(r"(\d+)\*(\d+)kB(?: \(([A-Z]+)\))?")
_ZONE_HEAD = re.compile(r"(?:Node (\d+) )?(\w+)(?: |: )")


@dataclass(frozen=True, slots=True)
class Failure:
    """The report's first line. ``mode`` is the mask of flags; ``nodemask`` is empty up to 4.x."""

    comm: str
    order: int
    mode: int
    names: str = ""
    nodemask: str = ""
    rest: str = ""

    def __str__(self) -> str:
        names = f"({self.names})" if self.names else ""
        mask = f", nodemask={self.nodemask}" if self.nodemask else ""
        return (
            f"{self.comm}: page allocation failure: order:{self.order}, mode:{self.mode:#x}"
            f"{names}{mask}{self.rest}"
        )


@dataclass(slots=True)
class ZoneMem:
    """One zone: values in kB, reserves in pages, chunks by order and the letters of their types."""

    node: int
    name: str
    values: dict[str, int] = field(default_factory=dict)
    lowmem_reserve: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()
    letters: tuple[str, ...] = ()

    @property
    def chunks_kb(self) -> int:
        """What the chunks add up to."""
        return sum(count << order for order, count in enumerate(self.counts)) * 4


@dataclass(slots=True)
class MemInfo:
    """The report after ``Mem-Info:``. ``totals`` are pages."""

    totals: dict[str, int]
    zones: list[ZoneMem]
    tail: dict[str, int]


def failure(
    pages: Pages, gfp: int, order: int, comm: str, *, cpuset: str = "/", mems: str = "0"
) -> Failure:
    """The line that a kernel of this era prints when a request fails."""
    if pages.era.name == "3.15":
        return Failure(comm, order, gfp)
    rest = f",cpuset={cpuset},mems_allowed={mems}"
    return Failure(comm, order, gfp, pages.era.gfp.text(gfp), "(null)", rest)


def parse_failure(line: str) -> Failure:
    """What such a line says; :class:`BadText` if it is none."""
    match = _FAILURE.match(line)
    if match is None:
        raise BadText(f"{line[:60]!r} reports no page allocation failure")
    return Failure(
        match["comm"],
        int(match["order"]),
        int(match["mode"], 16),
        match["names"] or "",
        match["nodemask"] or "",
        match["rest"] or "",
    )


def meminfo(pages: Pages, others: Mapping[str, int] | None = None) -> MemInfo:
    """The state as show_mem would tell it; ``others`` are totals from elsewhere, in pages."""
    old = pages.era.name == "3.15"
    totals = {name: 0 for line in (TOTALS_315 if old else TOTALS_61) for name in line}
    totals.update(others or {})
    zones = [_zone(pages, zone, ZONE_315 if old else ZONE_61) for zone in pages.populated_zones()]
    for name in ("free", "free_pcp", "free_cma"):
        if name in totals:
            totals[name] = sum(zone.values[name] for zone in zones) // 4
    views = [pages.zone_view(zone) for zone in pages.populated_zones()]
    present = sum(view.get("present_pages") for view in views)
    tail = {
        "pages RAM": present,
        "pages HighMem/MovableOnly": sum(
            view.get("present_pages") for view in views if view.get("index") == 3
        ),
        "pages reserved": present - sum(view.get("managed_pages") for view in views),
    }
    if not old:
        tail["pages cma reserved"] = sum(view.get("cma_pages") for view in views)
    return MemInfo(totals, zones, tail)


def _zone(pages: Pages, zone: int, names: str) -> ZoneMem:
    view = pages.zone_view(zone)
    pcp = [pages.pcp_view(zone, cpu).get("count") for cpu in range(pages.cpus)]
    known = {
        "free": view.get("nr_free_pages"),
        "boost": view.get("watermark_boost"),
        "min": pages.wmark_pages(zone, 0),
        "low": pages.wmark_pages(zone, 1),
        "high": pages.wmark_pages(zone, 2),
        "reserved_highatomic": view.get("nr_reserved_highatomic"),
        "present": view.get("present_pages"),
        "managed": view.get("managed_pages"),
        "free_pcp": sum(pcp),
        "local_pcp": pcp[pages.cpu],
        "free_cma": view.get("nr_free_cma"),
    }
    counts = tuple(pages.nr_free(zone, order) for order in range(pages.order_max + 1))
    letters = tuple(
        "".join(
            letter
            for migratetype, letter in enumerate(pages.types.letters)
            if not pages.list_empty(pages.free_list(zone, order, migratetype))
        )
        for order in range(pages.order_max + 1)
    )
    return ZoneMem(
        pages.zone_to_nid(zone),
        pages.zone_name(zone),
        {name: 4 * known.get(name, 0) for name in names.split()},
        tuple(pages.lowmem_reserve(zone, index) for index in range(pages.era.zones_max)),
        counts,
        letters,
    )


def text(info: MemInfo) -> str:
    """The report as kernels print it, from ``Mem-Info:`` on."""
    old = "free_pcp" not in info.totals
    lines = ["Mem-Info:"]
    for nth, names in enumerate(TOTALS_315 if old else TOTALS_61):
        items = " ".join(f"{name}:{info.totals[name]}" for name in names)
        lines.append((" " if nth else "") + items)
    for zone in info.zones:
        items = " ".join(
            f"{name}:{value}{'KB' if name == CAPITAL else 'kB'}"
            for name, value in zone.values.items()
        )
        lines.append(f"Node {zone.node} {zone.name} {items}")
        lines.append("lowmem_reserve[]: " + " ".join(map(str, zone.lowmem_reserve)))
    for zone in info.zones:
        chunks = " ".join(
            f"{count}*{4 << order}kB" + (f" ({zone.letters[order]})" if count else "")
            for order, count in enumerate(zone.counts)
        )
        lines.append(f"Node {zone.node} {zone.name}: {chunks} = {zone.chunks_kb}kB")
    lines += [f"{value} {name}" for name, value in info.tail.items()]
    return "\n".join(lines) + "\n"


def parse(content: str) -> MemInfo:
    """What a report says. Lines of other kinds are passed over.

    :class:`BadText` if chunks do not add up to the sum beside them, or if there are more letters
    of types than chunks.
    """
    lines = content.splitlines()
    if len(lines) > LINES_READ_MAX:
        raise BadText(f"Mem-Info has more than {LINES_READ_MAX} lines")
    info = MemInfo({}, [], {})
    zones: dict[tuple[int, str], ZoneMem] = {}
    last: ZoneMem | None = None
    for number, line in enumerate(lines, 1):
        head = _ZONE_HEAD.match(line)
        if line.startswith("lowmem_reserve[]:") and last is not None:
            last.lowmem_reserve = tuple(int(item) for item in line.split(":")[1].split())
        elif head and "*4kB" in line:
            key = (int(head[1] or 0), head[2])
            zone = zones.setdefault(key, ZoneMem(*key))
            _chunks(zone, line, number)
        elif head and " free:" in line and "present:" in line:
            key = (int(head[1] or 0), head[2])
            last = zones.setdefault(key, ZoneMem(*key))
            last.values = {name: int(value) for name, value, _ in _ITEM.findall(line)}
        elif re.fullmatch(r"\s*(\w+:\d+ ?)+", line):
            info.totals.update((name, int(value)) for name, value, _ in _ITEM.findall(line))
        elif tail := re.fullmatch(r"(\d+) (pages .+)", line):
            info.tail[tail[2]] = int(tail[1])
    info.zones = list(zones.values())
    return info


def _chunks(zone: ZoneMem, line: str, number: int) -> None:
    """Read a zone's line of chunks."""
    found = _CHUNKS.findall(line)
    zone.counts = tuple(int(count) for count, _, _ in found)
    zone.letters = tuple(letters for _, _, letters in found)
    for (count, size, letters), order in zip(found, range(len(found)), strict=True):
        if int(size) != 4 << order:
            raise BadText(f"Mem-Info, line {number}: {size}kB where {4 << order}kB should be")
        if len(letters) > int(count):
            raise BadText(f"Mem-Info, line {number}: {count} chunks of {size}kB, types {letters}")
    total = re.search(r"= (\d+)kB", line)
    if total is None or int(total[1]) != zone.chunks_kb:
        raise BadText(f"Mem-Info, line {number}: the chunks add up to {zone.chunks_kb}kB")
