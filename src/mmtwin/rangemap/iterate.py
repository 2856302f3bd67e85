"""Iterators over the ranges and the gaps of a range map.

An iterator knows the index where it goes on. The tree may change meanwhile: what comes next is
what the tree holds then at or after that index.
"""

from __future__ import annotations

from cython import bint
from cython import ulonglong as u64

from mmtwin.maple.state import MaState
from mmtwin.rangemap.core import Core, Holder


class Ranges:
    """Yields ``(start, last, value)`` in order, both ends inclusive, clipped to a window.

    ``owner`` has the core; the window is ``first`` to ``last``, both inclusive.
    """

    def __init__(self, owner: Holder, first: u64, last: u64, backward: bint) -> None:
        self.owner = owner
        self.first = first
        self.last = last
        self.backward = backward
        self.done = False
        self.core: Core | None = None
        self.version = 0
        self.cursor = MaState(0)
        self.low = 0
        self.high = 0

    def __iter__(self) -> Ranges:
        return self

    def __next__(self) -> tuple[int, int, object]:
        entry: u64 = self.step()
        if entry == 0:
            raise StopIteration
        return self.low, self.high, self.owner.core.values.value(entry)

    def step(self) -> u64:
        """Move to the next range: its entry, and its clipped ends in ``low`` and ``high``."""
        if self.done:
            return 0
        core: Core = self.owner.core
        mas: MaState = self.cursor
        if core is not self.core or core.version != self.version:
            self.core = core
            self.version = core.version
            mas.tree = core.tree
            mas.set(self.last if self.backward else self.first)
        entry: u64
        if self.backward:
            entry = core.engine.mas_find_rev(mas, self.first)
        else:
            entry = core.engine.mas_find(mas, self.last)
        # A tree of one direct entry gives it whatever the limit.
        if entry == 0 or mas.last < self.first or mas.index > self.last:
            self.done = True
            return 0
        self.low = mas.index if mas.index > self.first else self.first
        self.high = mas.last if mas.last < self.last else self.last
        if self.backward:
            self.done = self.low == self.first
            if not self.done:
                self.last = self.low - 1
        else:
            self.done = self.high == self.last
            if not self.done:
                self.first = self.high + 1
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
        return self.ranges.owner.core.values.value(entry)


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
