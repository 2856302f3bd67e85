"""Iterators over the ranges and the gaps of a range map.

An iterator knows the index where it goes on. The tree may change meanwhile: what comes next is
what the tree holds then at or after that index.
"""

from __future__ import annotations

from typing import Any

import cython
from cython import bint, declare
from cython import ulonglong as u64

from mmtwin.maple.direct import Direct
from mmtwin.maple.state import MaState
from mmtwin.rangemap.core import Core, Holder

if not cython.compiled:
    from mmtwin.rangemap.references import object_of, triple

NEVER = declare(u64, 0xFFFFFFFFFFFFFFFF)
"""A version no core will reach."""


class Ranges:
    """Yields ``(start, last, value)`` in order, both ends inclusive, clipped to a window.

    ``owner`` has the core; the window is ``first`` to ``last``, both inclusive. Forwards it reads
    leaf by leaf, and walks down only where the tree has changed.
    """

    def __init__(self, owner: Holder, first: u64, last: u64, backward: bint) -> None:
        self.owner = owner
        self.first = first
        self.last = last
        self.backward = backward
        self.done = False
        self.core = owner.core
        self.version = NEVER
        self.cursor: MaState | None = None
        self.direct: Direct | None = None
        self.kept: tuple[int, int, Any] | None = None
        self.low = 0
        self.high = 0

    def __iter__(self) -> Ranges:
        return self

    def __next__(self) -> tuple[int, int, Any]:
        entry: u64 = self.step()
        if entry == 0:
            raise StopIteration
        kept = self.kept
        again = triple(kept, self.low, self.high, object_of(self.core.held, entry))
        if again is not kept:
            self.kept = again
        return again

    def step(self) -> u64:
        """Move to the next range: its entry, and its clipped ends in ``low`` and ``high``; 0 at the
        end."""
        if self.done:
            return 0
        return self.step_back() if self.backward else self.forward()

    def forward(self) -> u64:
        """Move to the next range above."""
        core: Core = self.owner.core
        if self.version != core.version or self.core is not core:
            if not core.direct.readable():
                return self.at_root(core)
            if self.direct is None or self.core is not core:
                self.direct = Direct(core.engine, core.tree)
            self.core = core
            self.version = NEVER
        direct: Direct = self.direct  # type: ignore[assignment]  # it has been made
        entry: u64
        if self.version == NEVER:
            self.version = core.version
            entry = direct.enter(self.first)
            if entry == 0:
                entry = direct.next_entry(self.last)
        else:
            entry = direct.next_entry(self.last)
        if entry == 0:
            self.done = True
            return 0
        self.low = direct.low if direct.low > self.first else self.first
        if direct.high >= self.last:
            self.high = self.last
            self.done = True
        else:
            self.high = direct.high
            self.first = self.high + 1
        return entry

    def at_root(self, core: Core) -> u64:
        """The same where there is no node: the root is an entry for index 0, or nothing."""
        self.core = core
        self.direct = None
        self.version = NEVER
        entry: u64 = core.load(self.first)
        self.done = entry == 0 or self.last == 0
        self.low = self.high = 0
        self.first = 1
        return entry

    def step_back(self) -> u64:
        """Move to the range before."""
        core: Core = self.owner.core
        if self.cursor is None or core is not self.core:
            self.cursor = MaState(core.tree)
        mas: MaState = self.cursor
        if core is not self.core or core.version != self.version:
            self.core = core
            self.version = core.version
            mas.set(self.last)
        entry: u64 = core.engine.mas_find_rev(mas, self.first)
        # A tree of one direct entry gives it whatever the limit.
        if entry == 0 or mas.last < self.first:
            self.done = True
            return 0
        self.low = mas.index if mas.index > self.first else self.first
        self.high = mas.last if mas.last < self.last else self.last
        self.done = self.low == self.first
        if not self.done:
            self.last = self.low - 1
        return entry


class Values:
    """Yields the values in the order of their ranges."""

    def __init__(self, ranges: Ranges) -> None:
        self.ranges = ranges

    def __iter__(self) -> Values:
        return self

    def __next__(self) -> object:
        entry: u64 = self.ranges.step()
        if entry == 0:
            raise StopIteration
        return object_of(self.ranges.core.held, entry)


class Gaps:
    """Yields ``(start, last)`` of every free run of indexes in a window, both ends inclusive."""

    def __init__(self, ranges: Ranges) -> None:
        self.ranges = ranges
        self.next = ranges.first
        self.end = ranges.last
        self.done = False

    def __iter__(self) -> Gaps:
        return self

    def __next__(self) -> tuple[int, int]:
        ranges: Ranges = self.ranges
        while not self.done:
            start: u64 = self.next
            if ranges.step() == 0:
                self.done = True
                return start, self.end
            if ranges.high == self.end:
                self.done = True
            else:
                self.next = ranges.high + 1
            if ranges.low > start:
                return start, ranges.low - 1
        raise StopIteration
