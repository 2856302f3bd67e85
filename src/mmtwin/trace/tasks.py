"""What a recorder knows of the threads it follows."""

from __future__ import annotations

from collections import deque

from mmtwin.trace.descriptors import Table
from mmtwin.trace.records import Args, Limits
from mmtwin.trace.touches import Touches


class Space:
    """One address space: who is inside a memory call, who waits, what it has touched."""

    def __init__(self, parent: Space | None = None) -> None:
        self.inside: Task | None = None
        self.waiting: deque[Task] = deque()
        self.since = 0.0
        """When the first of those who wait began to, seconds of the monotonic clock."""
        self.touches: Touches = parent.touches.copy() if parent else Touches()
        self.brk: int = parent.brk if parent else 0
        """The end of the heap, once a call has told it."""


class Process:
    """One thread group: its limits as last written to the trace."""

    def __init__(self, limits: Limits | None = None, changed: bool = False) -> None:
        self.limits = limits
        self.changed = changed
        """A call that sets limits was seen since."""


class Task:
    """One thread."""

    def __init__(self, tid: int, space: Space, process: Process, table: Table) -> None:
        self.tid = tid
        self.space = space
        self.process = process
        self.table = table
        self.call: tuple[int, Args] | None = None
        """The memory call it is inside of: number and arguments."""
        self.note: tuple[int, Args] | None = None
        """The bookkeeping call it is inside of: the kernel's number and arguments."""
        self.name: str | None = None
        self.flags: int | None = None
        self.segment: tuple[int, int] | None = None
        self.hidden = False
        """Its address space cannot be seen (a program that may not be read): nothing is written."""
