"""collections-extended's RangeMap."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from collections_extended import RangeMap

from mmtwin.bench.peer import Loop, Peer, highest_gap, lowest_gap
from mmtwin.bench.work import Search, Stored, Wanted


class Extended(Peer):
    """A range map of its own; it cannot tell where the range at an index begins and ends.

    So erasing looks at the list of borders inside it, which saves it a scan.
    """

    name = "RangeMap"
    package = "collections-extended"
    scans = True

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.map = RangeMap()

    def stores(self, ranges: Sequence[Stored]) -> Loop:
        """``map[start:stop] = value``."""
        map_ = self.map

        def loop() -> None:
            for start, stop, value in ranges:
                map_[start:stop] = value

        return loop

    def lookups(self, keys: Sequence[int]) -> Loop:
        """``map[key]``."""
        map_ = self.map

        def loop() -> object:
            value = None
            for key in keys:
                value = map_[key]
            return value

        return loop

    def iterates(self) -> Loop:
        """``ranges()``."""
        map_ = self.map

        def loop() -> None:
            for range_ in map_.ranges():
                _found = (range_.start, range_.stop, range_.value)

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
        for range_ in self.map.ranges():
            if range_.stop > low:
                yield range_.start, range_.stop

    def erases(self, keys: Sequence[int]) -> Loop:
        """Delete between the borders around the key."""
        map_ = self.map

        def loop() -> None:
            for key in keys:
                borders = map_._keys
                at = bisect_right(borders, key, lo=1)
                del map_[borders[at - 1] : borders[at]]

        return loop

    def fills(self, wanted: Sequence[Wanted], end: int) -> Loop:
        """By a scan from the top."""
        map_ = self.map

        def loop() -> object:
            place = None
            for size, value in wanted:
                place = highest_gap(self._descending(), size, end)
                map_[place : place + size] = value
            return place

        return loop

    def _descending(self) -> Iterator[tuple[int, int]]:
        for range_ in reversed(list(self.map.ranges())):
            yield range_.start, range_.stop

    def ranges(self) -> list[Stored]:
        """All of them."""
        return [Stored(r.start, r.stop, r.value) for r in self.map.ranges()]


PEER = Extended
