"""collections-extended's RangeMap."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from collections_extended import RangeMap

from mmtwin.bench.peer import Loop, Scanning, subscripts
from mmtwin.bench.work import Stored


class Extended(Scanning):
    """A range map of its own; it cannot tell where the range at an index begins and ends.

    So erasing looks at the list of borders inside it, which saves it a scan.
    """

    name = "RangeMap"
    package = "collections-extended"

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.map = RangeMap()

    def store(self, start: int, stop: int, value: int) -> None:
        """``map[start:stop] = value``."""
        self.map[start:stop] = value

    def stores(self, ranges: Sequence[Stored]) -> Loop:
        """The same, without a call between."""
        map_ = self.map

        def loop() -> None:
            for start, stop, value in ranges:
                map_[start:stop] = value

        return loop

    def lookups(self, keys: Sequence[int]) -> Loop:
        """``map[key]``."""
        return subscripts(self.map, keys)

    def iterates(self) -> Loop:
        """``ranges()``."""
        map_ = self.map

        def loop() -> None:
            for range_ in map_.ranges():
                _found = (range_.start, range_.stop, range_.value)

        return loop

    def ascending(self, low: int) -> Iterator[tuple[int, int]]:
        """A look at all of them."""
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

    def descending(self) -> Iterator[tuple[int, int]]:
        """Backwards."""
        for range_ in reversed(list(self.map.ranges())):
            yield range_.start, range_.stop

    def ranges(self) -> list[Stored]:
        """All of them."""
        return [Stored(r.start, r.stop, r.value) for r in self.map.ranges()]


PEER = Extended
