"""A range map by hand on three lists and the standard library's bisect."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from mmtwin.bench.peer import Loop, Peer, highest_gap, lowest_gap
from mmtwin.bench.work import Search, Stored, Wanted


class Lists(Peer):
    """Starts, stops and values side by side. Every change moves all that lies behind it."""

    name = "lists + bisect"
    scans = True

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

    def stores(self, ranges: Sequence[Stored]) -> Loop:
        """By hand."""
        store = self.store

        def loop() -> None:
            for start, stop, value in ranges:
                store(start, stop, value)

        return loop

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

    def gaps(self, searches: Sequence[Search], end: int) -> Loop:
        """By a scan upwards from the index."""

        def loop() -> object:
            place = None
            for low, size in searches:
                place = lowest_gap(self._ascending(low), low, size, end)
            return place

        return loop

    def _ascending(self, low: int) -> Iterator[tuple[int, int]]:
        at = bisect_right(self.stops, low)
        for place in range(at, len(self.starts)):
            yield self.starts[place], self.stops[place]

    def erases(self, keys: Sequence[int]) -> Loop:
        """By place."""
        starts, stops, values = self.starts, self.stops, self.values

        def loop() -> None:
            for key in keys:
                at = bisect_right(stops, key)
                del starts[at], stops[at], values[at]

        return loop

    def fills(self, wanted: Sequence[Wanted], end: int) -> Loop:
        """By a scan from the top."""

        def loop() -> object:
            place = None
            for size, value in wanted:
                descending = zip(reversed(self.starts), reversed(self.stops), strict=True)
                place = highest_gap(descending, size, end)
                self.store(place, place + size, value)
            return place

        return loop

    def ranges(self) -> list[Stored]:
        """All of them."""
        return list(map(Stored, self.starts, self.stops, self.values))  # type: ignore[arg-type]


PEER = Lists
