"""The kernel's trace buffer as it is: sub-buffers of one cpu, from ``trace_pipe_raw``.

Layout: ``struct buffer_data_page`` (a time, a count of bytes, events) and the event header of
five bits of length and 27 of time; an event's fields lie where its ``format`` file says.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from mmtwin.kernels.host.build import AgentError

PAGE_HEAD = struct.Struct("<QQ")
BYTES_MASK = (1 << 20) - 1
MISSED_EVENTS = 1 << 31
PADDING, TIME_EXTEND, TIME_STAMP = 29, 30, 31
LENGTH_MASK = 31
DELTA_SHIFT = 5

_FIELD = re.compile(
    r"\s*field:(?P<what>[^;]+);\s*offset:(?P<offset>\d+);\s*size:(?P<size>\d+);"
    r"\s*signed:(?P<signed>[01]);"
)
_CODES = {(1, 0): "B", (2, 0): "H", (4, 0): "I", (8, 0): "Q"}
_CODES |= {(size, 1): code.lower() for (size, _), code in _CODES.items()}


@dataclass(frozen=True, slots=True)
class Format:
    """Where an event's fields lie, by name: (offset, how to unpack)."""

    number: int
    name: str
    fields: dict[str, tuple[int, struct.Struct]]

    @classmethod
    def parse(cls, text: str) -> Format:
        """Read a ``format`` file; AgentError if it is none."""
        name = re.search(r"^name: (\w+)$", text, re.MULTILINE)
        number = re.search(r"^ID: (\d+)$", text, re.MULTILINE)
        if name is None or number is None:
            raise AgentError(f"{text[:60]!r} is no format of an event")
        fields = {}
        for match in _FIELD.finditer(text):
            code = _CODES.get((int(match["size"]), int(match["signed"])))
            if code is not None:
                unpack = struct.Struct(f"<{code}")
                fields[match["what"].split()[-1]] = (int(match["offset"]), unpack)
        return cls(int(number[1]), name[1], fields)


def events(pages: list[bytes], formats: list[Format]) -> Iterator[tuple[str, int, dict[str, int]]]:
    """The events of one cpu, in order: name, nanoseconds, fields; the unknown have none.

    Raises AgentError where a sub-buffer is damaged or events were lost before it.
    """
    by_number = {one.number: one for one in formats}
    for number, page in enumerate(pages):
        time, commit = PAGE_HEAD.unpack_from(page)
        if commit & MISSED_EVENTS:
            raise AgentError(f"the trace lost events before its sub-buffer {number}")
        end = PAGE_HEAD.size + (commit & BYTES_MASK)
        if end > len(page):
            raise AgentError(f"sub-buffer {number} of the trace claims {end} bytes")
        at = PAGE_HEAD.size
        while at + 4 <= end:
            (head,) = struct.unpack_from("<I", page, at)
            kind, delta = head & LENGTH_MASK, head >> DELTA_SHIFT
            at += 4
            if kind in (TIME_EXTEND, TIME_STAMP):
                (high,) = struct.unpack_from("<I", page, at)
                stamp = (high << 27) + delta
                time = stamp if kind == TIME_STAMP else time + stamp
                at += 4
                continue
            if kind == PADDING:
                if not delta:
                    break
                (length,) = struct.unpack_from("<I", page, at)
                time += delta
                at += length
                continue
            time += delta
            if kind:
                data, at = at, at + 4 * kind
            else:
                (length,) = struct.unpack_from("<I", page, at)
                data, at = at + 4, at + length
            if at > end:
                raise AgentError(f"sub-buffer {number} of the trace ends within an event")
            (which,) = struct.unpack_from("<H", page, data)
            form = by_number.get(which)
            if form is None:
                yield "", time, {}
                continue
            yield (
                form.name,
                time,
                {
                    name: unpack.unpack_from(page, data + offset)[0]
                    for name, (offset, unpack) in form.fields.items()
                },
            )
