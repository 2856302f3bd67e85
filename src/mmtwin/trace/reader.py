"""Reading a trace: a stream of checked records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mmtwin.trace.errors import TraceError
from mmtwin.trace.order import Disorder, Order
from mmtwin.trace.records import Record
from mmtwin.trace.streams import read_lines
from mmtwin.trace.wire import decode


def _records(path: str | Path) -> Iterator[Record]:
    for number, text in read_lines(path):
        try:
            yield decode(text, number)
        except ValueError as error:
            raise TraceError(str(path), number, str(error)) from error


def read_trace(path: str | Path) -> Iterator[Record]:
    """The records of a trace, plain or compressed (.gz, .xz, .zst), each with its line number.

    Records come one at a time, in bounded memory, and in the order of cause and effect: a
    ``child`` line that stands after its child's first calls is brought forward (its ``line``
    tells where it stood). Raises ``TraceError`` where the file stops being a whole, well-formed
    trace; what was given before that line holds.
    """
    empty = True
    try:
        for record in Order(_records(path)):
            empty = False
            yield record
    except Disorder as disorder:
        raise TraceError(str(path), disorder.line, disorder.reason) from disorder
    if empty:
        raise TraceError(str(path), 1, "empty: no record at all")
