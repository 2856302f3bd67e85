"""A range map by hand on sortedcontainers' SortedDict: start to (stop, value)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sortedcontainers import SortedDict

from mmtwin.bench.peer import Loop, Scanning
from mmtwin.bench.work import Stored


class Sorted(Scanning):
    """Any object as value, any ordered keys."""

    name = "SortedDict"
    package = "sortedcontainers"

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.map = SortedDict()

    def store(self, start: int, stop: int, value: object) -> None:
        """Assign, with what overlaps cut or split."""
        ranges = self.map
        at = ranges.bisect_left(stop) - 1
        if at < 0:
            ranges[start] = (stop, value)
            return
        near, (near_stop, near_value) = ranges.peekitem(at)
        if near_stop > stop:
            ranges[stop] = (near_stop, near_value)
        if near < start:
            if near_stop > start:
                ranges[near] = (start, near_value)
        else:
            for key in list(ranges.irange(start, near)):
                del ranges[key]
            self._cut_before(start)
        ranges[start] = (stop, value)

    def _cut_before(self, start: int) -> None:
        ranges = self.map
        at = ranges.bisect_left(start) - 1
        if at >= 0:
            left, (left_stop, left_value) = ranges.peekitem(at)
            if left_stop > start:
                ranges[left] = (start, left_value)

    def lookups(self, keys: Sequence[int]) -> Loop:
        """By bisection, which gives the place of the range."""
        bisect, at = self.map.bisect_right, self.map.peekitem

        def loop() -> object:
            value = None
            for key in keys:
                _start, (stop, value) = at(bisect(key) - 1)
                if key >= stop or _start > key:
                    raise KeyError(key)
            return value

        return loop

    def iterates(self) -> Loop:
        """``items()`` are in order."""
        ranges = self.map

        def loop() -> None:
            for _start, (_stop, _value) in ranges.items():
                pass

        return loop

    def ascending(self, low: int) -> Iterator[tuple[int, int]]:
        """From the one at or before the index."""
        ranges = self.map
        at = max(ranges.bisect_right(low) - 1, 0)
        for start in ranges.islice(at):
            stop = ranges[start][0]
            if stop > low:
                yield start, stop

    def erases(self, keys: Sequence[int]) -> Loop:
        """By place."""
        ranges = self.map

        def loop() -> None:
            for key in keys:
                ranges.popitem(ranges.bisect_right(key) - 1)

        return loop

    def descending(self) -> Iterator[tuple[int, int]]:
        """Backwards."""
        ranges = self.map
        for start in reversed(ranges):
            yield start, ranges[start][0]

    def ranges(self) -> list[Stored]:
        """All of them."""
        return [Stored(start, stop, value) for start, (stop, value) in self.map.items()]


PEER = Sorted
