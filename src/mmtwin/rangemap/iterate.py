"""Iterators over the ranges and the gaps of a range map.

An iterator knows the index where it goes on. The tree may change meanwhile: what comes next is
what the tree holds then at or after that index.
"""

from __future__ import annotations

from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.maple.state import MaState
from mmtwin.rangemap.core import Core, Holder

ACTIVE = declare(i32, 0)
NEVER = declare(u64, 0xFFFFFFFFFFFFFFFF)
"""A version no core will reach."""


class Ranges:
    """Yields ``(start, last, value)`` in order, both ends inclusive, clipped to a window.

    ``owner`` has the core; the window is ``first`` to ``last``, both inclusive. Forwards it reads
    leaf by leaf and walks down only where a leaf ends or the tree has changed.
    """

    def __init__(self, owner: Holder, first: u64, last: u64, backward: bint) -> None:
        self.owner = owner
        self.first = first
        self.last = last
        self.backward = backward
        self.done = False
        self.core = owner.core
        self.version = NEVER
        self.cursor = MaState(0)
        self.low = 0
        self.high = 0
        self.leaf = 0
        self.at = 0
        self.end = 0
        self.edge = 0
        self.limit = 0

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
        if self.backward:
            return self.step_back()
        entry: u64
        if self.core is self.owner.core and self.version == self.owner.core.version:
            entry = self.onward()
        else:
            entry = self.enter(self.first)
        while entry == 0 and self.high < self.last:
            entry = self.onward()
        if entry == 0 or self.edge > self.last:
            self.done = True
            return 0
        self.low = self.edge if self.edge > self.first else self.first
        if self.high >= self.last:
            self.high = self.last
            self.done = True
        else:
            self.first = self.high + 1
        return entry

    def enter(self, index: u64) -> u64:
        """Walk to the slot that holds ``index``: its entry; ``edge`` and ``high`` are its ends."""
        core: Core = self.owner.core
        mas: MaState = self.cursor
        self.core = core
        self.version = core.version
        mas.tree = core.tree
        mas.set(index)
        entry: u64 = core.engine.mas_walk(mas)
        self.edge = mas.index
        self.high = mas.last
        self.at = 0
        self.end = 0
        if mas.status == ACTIVE:
            self.leaf = ((mas.node & ~255) - core.memory.base) >> 3
            self.limit = mas.max
            self.at = mas.offset
            self.end = core.engine.mas_data_end(mas)
        return entry

    def onward(self) -> u64:
        """Move to the next slot, full or empty; there must be one."""
        if self.at >= self.end:
            return self.enter(self.high + 1)
        core: Core = self.core
        self.edge = self.high + 1
        self.at += 1
        self.high = core.memory.w[self.leaf + 1 + self.at] if self.at < self.end else self.limit
        return core.memory.w[self.leaf + 16 + self.at]

    def step_back(self) -> u64:
        """Move to the range before."""
        core: Core = self.owner.core
        mas: MaState = self.cursor
        if core is not self.core or core.version != self.version:
            self.core = core
            self.version = core.version
            mas.tree = core.tree
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
