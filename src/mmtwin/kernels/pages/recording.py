"""What was recorded of a kernel's page allocator: its state before, its events, its state after.

A file of one JSON document, compressed by xz.
"""

from __future__ import annotations

import lzma
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from mmtwin.pages.state import PageState

SCHEMA = 1
BYTES_READ_MAX = 1 << 30
ORDER_MAX = 10

#: The events, and what follows their place in this table in a recording.
KINDS: dict[str, tuple[str, ...]] = {
    "mm_page_alloc": ("pfn", "order", "gfp_flags", "migratetype"),
    "mm_page_free": ("pfn", "order"),
    "mm_page_free_batched": ("pfn",),
    "mm_page_alloc_zone_locked": ("pfn", "order", "migratetype"),
    "mm_page_pcpu_drain": ("pfn", "order", "migratetype"),
    "mm_page_alloc_extfrag": (
        "pfn",
        "alloc_order",
        "fallback_order",
        "alloc_migratetype",
        "fallback_migratetype",
        "change_ownership",
    ),
    # Probes: what takes or gives pages without a tracepoint of its own.
    "bulk": ("gfp", "nr"),
    "bulk_ret": ("got",),
    "isolate": ("pfn", "order"),
    "isolate_ret": ("got",),
    "putback": ("pfn", "order", "migratetype"),
    "direct": ("pfn", "order"),
}
NAMES = tuple(KINDS)
ALLOC, FREE, BATCHED, LOCKED, DRAIN, EXTFRAG, *_PROBES = range(len(NAMES))
BULK, BULK_RET, ISOLATE, ISOLATE_RET, PUTBACK, DIRECT = _PROBES


class BadRecording(ValueError):
    """A file is no recording; the message says why."""


@dataclass(slots=True)
class Recording:
    """``events`` are lists: the kind's place in :data:`KINDS`, then its fields.

    ``texts`` are files of /proc by name, ``marks`` how many events there were when they were read.
    """

    kernel: str
    start: PageState
    events: list[list[int]]
    end: PageState
    texts: dict[str, str] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=dict)
    schema: int = SCHEMA


def save(recording: Recording, path: Path) -> None:
    """Write a recording."""
    path.write_bytes(lzma.compress(msgspec.json.encode(recording), preset=9))


def load(path: Path) -> Recording:
    """Read a recording; :class:`BadRecording` if the file is none, OSError if it cannot be read."""
    try:
        content = lzma.LZMADecompressor().decompress(path.read_bytes(), BYTES_READ_MAX)
        recording = msgspec.json.decode(content, type=Recording)
    except (lzma.LZMAError, EOFError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadRecording(f"{path}: {error}") from error
    if recording.schema != SCHEMA:
        raise BadRecording(f"{path}: schema {recording.schema}, not {SCHEMA}")
    for number, event in enumerate(recording.events):
        reason = _wrong(recording, event)
        if reason:
            raise BadRecording(f"{path}: event {number} {reason}")
    return recording


def _wrong(recording: Recording, event: list[int]) -> str:
    """What is wrong with an event; nothing if it can have happened."""
    if not event or not 0 <= event[0] < len(NAMES):
        return "is of no known kind"
    kind = NAMES[event[0]]
    if len(event) != 1 + len(KINDS[kind]):
        return f"has {len(event) - 1} fields"
    fields = dict(zip(KINDS[kind], event[1:], strict=True))
    if "pfn" not in fields or (event[0] == ALLOC and fields["pfn"] < 0):
        return ""
    order = max(fields.get(name, 0) for name in ("order", "alloc_order", "fallback_order"))
    pfn = fields["pfn"]
    if not 0 <= order <= ORDER_MAX or pfn & ((1 << fields.get("order", 0)) - 1):
        return f"is of frame {pfn:#x} and order {order}"
    if not any(
        zone.start_pfn <= pfn and pfn + (1 << fields.get("order", 0)) <= zone.end_pfn
        for zone in recording.start.zones
    ):
        return f"is of frame {pfn:#x}, which is in no zone"
    return ""
