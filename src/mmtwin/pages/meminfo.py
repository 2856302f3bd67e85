"""The page-allocation-failure report and its Mem-Info (show_mem): written and read.

What the allocator does not know (dirty pages, slabs, page tables) is what its caller says it is,
and 0 by default.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mmtwin.pages import layouts as c
from mmtwin.pages import node_layouts as n
from mmtwin.pages.buddyinfo import BadText
from mmtwin.pages.kswapd import MAX_RECLAIM_RETRIES
from mmtwin.pages.pages import Pages

LINES_READ_MAX = 100000
WORD_READ_MAX = 4000
"""Letters of a word; a longer number would be refused by Python itself."""

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
ZONE_618 = ZONE_61.replace("reserved_highatomic", "reserved_highatomic free_highatomic").replace(
    "writepending", "writepending zspages"
)
CAPITALS = ("reserved_highatomic", "free_highatomic")
"""The fields whose unit kernels print as KB."""
NODE_61 = (
    "active_anon inactive_anon active_file inactive_file unevictable isolated(anon) isolated(file)"
    " mapped dirty writeback shmem shmem_thp shmem_pmdmapped anon_thp writeback_tmp kernel_stack"
    " pagetables sec_pagetables"
)
NODE_618 = NODE_61.replace("writeback_tmp ", "") + " Balloon"
LAST = ("Balloon", "gpu_active", "gpu_reclaim")
"""Fields of a node that stand behind ``all_unreclaimable?``: since 6.16, the others since 6.19."""
SPACED = ("shmem_thp", "shmem_pmdmapped", "anon_thp")
"""Fields of a node that 6.1 prints with a blank after the colon."""
KEPT = (*n.LRU_NAMES, "isolated_anon", "isolated_file")
"""Totals that the allocator keeps itself."""
SWAP_LINES = ("Free swap", "Total swap")
SWAP_STATS = ("swap cache add", "swap cache delete", "swap cache found", "swap cache sought")
"""Of the line ``Swap cache stats``, which kernels of 3.15 print."""

_FAILURE = re.compile(
    r"(?P<comm>.*?): page allocation failure: order:(?P<order>\d+), mode:(?P<mode>0x[0-9a-f]+)"
    r"(?:\((?P<names>[^)]*)\))?(?:, ?nodemask=(?P<nodemask>[^\s,]+))?(?P<rest>,.*)?$"
)
_ITEM = re.compile(r"([\w()]+): ?(\d+)(kB|KB)?")
_CHUNKS = re.compile(r"(\d+)\*(\d+)kB(?: \(([A-Z]+)\))?")
_STAMP = re.compile(r"^(?:<\d+>)?\[ *\d+\.\d+\](?:\[[^\]]*\])? ?")
_NODE_HEAD = re.compile(r"Node (\d+) active_anon:")
_HUGE = re.compile(
    r"Node (\d+) hugepages_total=(\d+) hugepages_free=(\d+) hugepages_surp=(\d+)"
    r" hugepages_size=(\d+)kB$"
)
_TAIL = re.compile(r"(\d+) (pages .+|total pagecache pages)$")
_SWAP = re.compile(r"(Free swap|Total swap) *= (\d+)kB$")
_SWAP_STATS = re.compile(r"Swap cache stats: add (\d+), delete (\d+), find (\d+)/(\d+)$")
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
class NodeMem:
    """One node, since 4.8: values in kB; ``unreclaimable``: kswapd has given up."""

    node: int
    values: dict[str, int] = field(default_factory=dict)
    unreclaimable: bool = False
    spaced: bool = False


@dataclass(frozen=True, slots=True)
class HugePages:
    """One node's huge pages of one size (kB)."""

    node: int
    total: int
    free: int
    surplus: int
    size: int


@dataclass(slots=True)
class MemInfo:
    """The report after ``Mem-Info:``. ``totals`` are pages; ``tail`` pages, and kB of swap."""

    totals: dict[str, int]
    zones: list[ZoneMem]
    tail: dict[str, int]
    nodes: list[NodeMem] = field(default_factory=list)
    hugepages: list[HugePages] = field(default_factory=list)


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
    known = {name: _of_nodes(pages, name) for name in KEPT}
    known |= {"total pagecache pages": _of_nodes(pages, "file_pages")}
    known |= {"pages in swap cache": _of_nodes(pages, "swapcached")}
    known |= {
        "Free swap": 4 * pages.get_nr_swap_pages(),
        "Total swap": 4 * pages.total_swap_pages(),
    }
    known |= others or {}
    totals.update({name: value for name, value in known.items() if name in totals})
    new = pages.era.name not in ("3.15", "6.1")
    names = ZONE_315 if old else ZONE_618 if new else ZONE_61
    zones = [_zone(pages, zone, names) for zone in pages.populated_zones()]
    for name in ("free", "free_pcp", "free_cma"):
        if name in totals:
            totals[name] = sum(zone.values[name] for zone in zones) // 4
    views = [pages.zone_view(zone) for zone in pages.populated_zones()]
    present = sum(view.get("present_pages") for view in views)
    tail = {"total pagecache pages": 0, "pages in swap cache": 0}
    if old:
        tail |= dict.fromkeys(SWAP_STATS, 0)
    tail |= {
        **dict.fromkeys(SWAP_LINES, 0),
        "pages RAM": present,
        "pages HighMem/MovableOnly": sum(
            view.get("present_pages") for view in views if view.get("index") == 3
        ),
        "pages reserved": present - sum(view.get("managed_pages") for view in views),
    }
    if not old and pages.mt_cma >= 0:
        tail["pages cma reserved"] = sum(view.get("cma_pages") for view in views)
    tail |= {name: value for name, value in known.items() if name in tail}
    nodes = [] if old else [_node(pages, node, totals, new) for node in range(pages.nodes)]
    return MemInfo(totals, zones, tail, nodes)


def _of_nodes(pages: Pages, name: str) -> int:
    return sum(pages.node_page_state(node, name) for node in range(pages.nodes))


def _node(pages: Pages, node: int, totals: Mapping[str, int], new: bool) -> NodeMem:
    """A node's line; what is known of all nodes together only is given to the first."""
    known = dict(totals) if node == 0 else {}
    if pages.nodes > 1:
        known |= {name: pages.node_page_state(node, name) for name in KEPT}
    known |= {f"isolated({kind})": known.get(f"isolated_{kind}", 0) for kind in ("anon", "file")}
    names = NODE_618 if new else NODE_61
    hopeless = pages.node_word(node, "kswapd_failures") >= MAX_RECLAIM_RETRIES
    values = {name: 4 * known.get(name, 0) for name in names.split()}
    return NodeMem(node, values, hopeless, spaced=not new)


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
        "free_highatomic": view.get("nr_free_highatomic"),
        "present": view.get("present_pages"),
        "managed": view.get("managed_pages"),
        "free_pcp": sum(pcp),
        "local_pcp": pcp[pages.cpu],
        "free_cma": view.get("nr_free_cma"),
    }
    for nth, name in enumerate(n.LRU_NAMES):
        known[name] = pages.memory.load(zone + c.ZONE_LRU + 8 * nth)
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
    lines += map(_node_text, info.nodes)
    for zone in info.zones:
        items = " ".join(
            f"{name}:{value}{'KB' if name in CAPITALS else 'kB'}"
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
    lines += [
        f"Node {one.node} hugepages_total={one.total} hugepages_free={one.free}"
        f" hugepages_surp={one.surplus} hugepages_size={one.size}kB"
        for one in info.hugepages
    ]
    return "\n".join([*lines, *_tail_text(info.tail)]) + "\n"


def _node_text(node: NodeMem) -> str:
    items = {
        name: f"{name}:{' ' if node.spaced and name in SPACED else ''}{value}kB"
        for name, value in node.values.items()
    }
    last = [items.pop(name) for name in LAST if name in items]
    hopeless = f"all_unreclaimable? {'yes' if node.unreclaimable else 'no'}"
    return " ".join([f"Node {node.node}", *items.values(), hopeless, *last])


def _tail_text(tail: Mapping[str, int]) -> Iterator[str]:
    for name, value in tail.items():
        if name in SWAP_LINES:
            yield f"{name:<10} = {value}kB"
        elif name == SWAP_STATS[0]:
            add, delete, found, sought = (tail[one] for one in SWAP_STATS)
            yield f"Swap cache stats: add {add}, delete {delete}, find {found}/{sought}"
        elif name not in SWAP_STATS:
            yield f"{value} {name}"


def parse(content: str) -> MemInfo:
    """What a report says. Lines of other kinds are passed over, and a log's times cut off.

    :class:`BadText` if chunks do not add up to the sum beside them, or if there are more letters
    of types than chunks.
    """
    lines = content.splitlines()
    if len(lines) > LINES_READ_MAX:
        raise BadText(f"Mem-Info has more than {LINES_READ_MAX} lines")
    info = MemInfo({}, [], {})
    zones: dict[tuple[int, str], ZoneMem] = {}
    last: ZoneMem | None = None
    for number, stamped in enumerate(lines, 1):
        line = _STAMP.sub("", stamped)
        head = _ZONE_HEAD.match(line)
        if max(map(len, line.split()), default=0) > WORD_READ_MAX:
            raise BadText(f"Mem-Info, line {number}: a word of more than {WORD_READ_MAX} letters")
        if line.startswith("lowmem_reserve[]:") and last is not None:
            reserves = line.split(":", 1)[1].split()
            if not all(item.isdecimal() for item in reserves):
                raise BadText(f"Mem-Info, line {number}: {line[:60]!r} has no numbers of pages")
            last.lowmem_reserve = tuple(map(int, reserves))
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
        elif node := _NODE_HEAD.match(line):
            info.nodes.append(_parse_node(int(node[1]), line))
        elif huge := _HUGE.match(line):
            info.hugepages.append(HugePages(*map(int, huge.groups())))
        elif tail := _TAIL.match(line):
            info.tail[tail[2]] = int(tail[1])
        elif swap := _SWAP.match(line):
            info.tail[swap[1]] = int(swap[2])
        elif stats := _SWAP_STATS.match(line):
            info.tail |= dict(zip(SWAP_STATS, map(int, stats.groups()), strict=True))
    info.zones = list(zones.values())
    return info


def _parse_node(node: int, line: str) -> NodeMem:
    values = {name: int(value) for name, value, _ in _ITEM.findall(line)}
    spaced = f"{SPACED[0]}: " in line
    return NodeMem(node, values, "all_unreclaimable? yes" in line, spaced)


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
