"""A range map by hand on three lists and the standard library's bisect."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from mmtwin.bench.peer import Loop, Scanning
from mmtwin.bench.work import Stored


class Lists(Scanning):
    """Starts, stops and values side by side. Every change moves all that lies behind it."""

    name = "lists + bisect"

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.starts: list[int] = []
        self.stops: list[int] = []
        self.values: list[object] = []

    def store(self, start: int, stop: int, value: object) -> None:
        """Assign, with what overlaps cut or split."""
        starts, stops, values = self.starts, self.stops, self.values
        first = bisect_right(stops, start)
        after = bisect_left(starts, stop, first)
        if first == after:
            starts.insert(first, start)
            stops.insert(first, stop)
            values.insert(first, value)
            return
        new_starts, new_stops, new_values = [start], [stop], [value]
        if starts[first] < start:
            new_starts.insert(0, starts[first])
            new_stops.insert(0, start)
            new_values.insert(0, values[first])
        if stops[after - 1] > stop:
            new_starts.append(stop)
            new_stops.append(stops[after - 1])
            new_values.append(values[after - 1])
        starts[first:after] = new_starts
        stops[first:after] = new_stops
        values[first:after] = new_values

    def lookups(self, keys: Sequence[int]) -> Loop:
        """The first range that ends behind the key."""
        starts, stops, values = self.starts, self.stops, self.values

        def loop() -> object:
            value = None
            for key in keys:
                at = bisect_right(stops, key)
                if at == len(starts) or starts[at] > key:
                    raise KeyError(key)
                value = values[at]
            return value

        return loop

    def iterates(self) -> Loop:
        """The three lists in step."""
        starts, stops, values = self.starts, self.stops, self.values

        def loop() -> None:
            for _start, _stop, _value in zip(starts, stops, values, strict=True):
                pass

        return loop

    def ascending(self, low: int) -> Iterator[tuple[int, int]]:
        """From the first that ends above the index."""
        at = bisect_right(self.stops, low)
        for place in range(at, len(self.starts)):
            yield self.starts[place], self.stops[place]

    def descending(self) -> Iterator[tuple[int, int]]:
        """Backwards."""
        return zip(reversed(self.starts), reversed(self.stops), strict=True)

    def erases(self, keys: Sequence[int]) -> Loop:
        """By place."""
        starts, stops, values = self.starts, self.stops, self.values

        def loop() -> None:
            for key in keys:
                at = bisect_right(stops, key)
                del starts[at], stops[at], values[at]

        return loop

    def ranges(self) -> list[Stored]:
        """All of them."""
        return list(map(Stored, self.starts, self.stops, self.values))  # type: ignore[arg-type]


PEER = Lists
