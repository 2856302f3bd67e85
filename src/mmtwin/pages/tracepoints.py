"""The kmem tracepoints of the page allocator: their fields, and their text by era.

Payloads are those of the reference, section 7.7: a frame number is decimal up to 3.15 and
hexadecimal with 0x later. Lines are written as ftrace's ``trace`` file has them and read from
there, from ``trace-cmd report`` and from ``perf script``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mmtwin.pages.buddyinfo import BadText
from mmtwin.pages.era import PageEra
from mmtwin.pages.layouts import STRUCT_PAGE_SIZE, VMEMMAP

PAYLOADS: dict[str, tuple[str, ...]] = {
    "mm_page_alloc": ("pfn", "order", "migratetype", "gfp_flags"),
    "mm_page_free": ("pfn", "order"),
    "mm_page_free_batched": ("pfn", "order"),
    "mm_page_alloc_zone_locked": ("pfn", "order", "migratetype", "percpu_refill"),
    "mm_page_pcpu_drain": ("pfn", "order", "migratetype"),
    "mm_page_alloc_extfrag": (
        "pfn",
        "alloc_order",
        "fallback_order",
        "pageblock_order",
        "alloc_migratetype",
        "fallback_migratetype",
        "fragmenting",
        "change_ownership",
    ),
}
"""The fields after ``page=``, in the order in which kernels print them."""
COLD = "cold"
"""A field of 3.15's mm_page_free_batched, after the order."""

LINE_MAX = 4096

_FTRACE = re.compile(
    r"\s*(?P<comm>.{1,16}?)-(?P<pid>\d+)\s+(?:\([^)]*\)\s+)?\[(?P<cpu>\d+)\]\s+"
    r"(?:(?P<flags>[^\s:]{4,6})\s+)?(?P<time>\d+\.\d+):\s+(?:kmem:)?(?P<event>\w+):\s+(?P<rest>.*)$"
)
_PERF = re.compile(
    r"\s*(?P<comm>.{1,16}?)\s+(?P<pid>\d+)(?:/\d+)?\s+\[(?P<cpu>\d+)\]\s+"
    r"(?P<time>\d+\.\d+):\s+(?:kmem:)?(?P<event>\w+):\s+(?P<rest>.*)$"
)
_ITEM = re.compile(r"(\w+)=(\S+)")


@dataclass(frozen=True, slots=True)
class Event:
    """One tracepoint: its name, and its fields by the kernel's names, without the page's address.

    ``pfn`` is -1 where an allocation failed. ``gfp_flags`` is the mask.
    """

    name: str
    fields: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """An event with the task it belongs to. ``seconds`` is the kernel's clock."""

    event: Event
    comm: str = "swapper"
    pid: int = 0
    cpu: int = 0
    flags: str = "....."
    seconds: float = 0.0


def payload(event: Event, era: PageEra) -> str:
    """The text after the event's name, as a kernel of this era prints it."""
    old = era.name == "3.15"
    pfn = event.fields["pfn"]
    failed = pfn < 0
    page = 0 if failed else VMEMMAP + pfn * STRUCT_PAGE_SIZE
    parts = [f"page={page:016x}" if not failed else "page=(null)" if old else f"page={0:016x}"]
    for name in PAYLOADS[event.name]:
        value = event.fields.get(name, 0)
        if name == "pfn":
            value = max(value, 0)
            parts.append(f"pfn={value}" if old else f"pfn={value:#x}")
        elif name == "gfp_flags":
            parts.append(f"gfp_flags={era.gfp.text(value)}")
        else:
            parts.append(f"{name}={value}")
    if old and event.name == "mm_page_free_batched":
        parts.append(f"{COLD}={event.fields.get(COLD, 0)}")
    return " ".join(parts)


def text(line: Line, era: PageEra) -> str:
    """A line of ftrace's ``trace`` file."""
    whole, micros = divmod(round(line.seconds * 1_000_000), 1_000_000)
    task = f"{line.comm:>16}-{line.pid:<7}"
    return (
        f"{task} [{line.cpu:03}] {line.flags} {whole:5}.{micros:06}: {line.event.name}: "
        f"{payload(line.event, era)}"
    )


def parse_payload(name: str, rest: str, era: PageEra) -> Event:
    """What the text after an event's name says; :class:`BadText` if a field is missing or wrong."""
    wanted = PAYLOADS.get(name)
    if wanted is None:
        raise BadText(f"{name[:40]!r} is no tracepoint of the page allocator")
    found = dict(_ITEM.findall(rest[:LINE_MAX]))
    fields: dict[str, int] = {}
    for one in (*wanted, *((COLD,) if COLD in found else ())):
        word = found.get(one)
        if word is None:
            if name == "mm_page_free_batched" and one == "order":
                continue
            raise BadText(f"{name}: no {one} in {rest[:60]!r}")
        try:
            fields[one] = era.gfp.value(word) if one == "gfp_flags" else int(word, 0)
        except ValueError as error:
            raise BadText(f"{name}: {one}={word[:40]}: {error}") from error
    if not fields["pfn"] and set(found.get("page", "0")) <= set("(nul)0x"):
        fields["pfn"] = -1
    if any(fields.get(one, 0) > era.order_max for one in ("order", "alloc_order")):
        raise BadText(f"{name}: order {max(fields.values())} is larger than {era.order_max}")
    return Event(name, fields)


def parse_line(line: str, era: PageEra) -> Line | None:
    """One line of a trace; None if it is a comment, empty, or another subsystem's event.

    :class:`BadText` if it is no line of a trace, or a tracepoint of this layer that is damaged.
    """
    if not line.strip() or line.lstrip().startswith(("#", "cpus=", "CPU ")):
        return None
    if len(line) > LINE_MAX:
        raise BadText(f"a line of {len(line)} characters")
    match = _FTRACE.match(line) or _PERF.match(line)
    if match is None:
        raise BadText(f"{line[:60]!r} is no line of a trace")
    if match["event"] not in PAYLOADS:
        return None
    parts = match.groupdict()
    return Line(
        parse_payload(match["event"], match["rest"], era),
        match["comm"].strip(),
        int(match["pid"]),
        int(match["cpu"]),
        parts.get("flags") or ".....",
        float(match["time"]),
    )


def parse(content: str, era: PageEra) -> list[Line]:
    """All lines of a trace; :class:`BadText` names the first that makes no sense."""
    found = []
    for number, line in enumerate(content.splitlines(), 1):
        try:
            event = parse_line(line, era)
        except BadText as error:
            raise BadText(f"trace, line {number}: {error}") from error
        if event is not None:
            found.append(event)
    return found
