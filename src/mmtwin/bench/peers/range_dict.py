"""python-ranges' RangeDict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ranges import Range, RangeDict

from mmtwin.bench.peer import Loop, Peer, highest_gap, lowest_gap
from mmtwin.bench.work import Search, Stored, Wanted


class Ranges(Peer):
    """Maps a set of ranges to each value, as portion does."""

    name = "RangeDict"
    package = "python-ranges"
    scans = True

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.map = RangeDict()

    def stores(self, ranges: Sequence[Stored]) -> Loop:
        """``map[Range(start, stop)] = value``."""
        map_ = self.map

        def loop() -> None:
            for start, stop, value in ranges:
                map_[Range(start, stop)] = value

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
        """All single ranges, sorted."""

        def loop() -> None:
            for _start, _stop, _value in self._sorted():
                pass

        return loop

    def _sorted(self) -> list[tuple[int, int, int]]:
        return sorted(
            (range_.start, range_.end, value)
            for sets, value in self.map.items()
            for set_ in sets
            for range_ in set_.ranges()
        )

    def gaps(self, searches: Sequence[Search], end: int) -> Loop:
        """By a scan upwards from the index."""

        def loop() -> object:
            place = None
            for low, size in searches:
                place = lowest_gap(self._ascending(low), low, size, end)
            return place

        return loop

    def _ascending(self, low: int) -> Iterator[tuple[int, int]]:
        for start, stop, _ in self._sorted():
            if stop > low:
                yield start, stop

    def erases(self, keys: Sequence[int]) -> Loop:
        """``remove`` the range at the key."""
        map_ = self.map

        def loop() -> None:
            for key in keys:
                map_.remove(map_.getrange(key))

        return loop

    def fills(self, wanted: Sequence[Wanted], end: int) -> Loop:
        """By a scan from the top."""
        map_ = self.map

        def loop() -> object:
            place = None
            for size, value in wanted:
                descending = ((start, stop) for start, stop, _ in reversed(self._sorted()))
                place = highest_gap(descending, size, end)
                map_[Range(place, place + size)] = value
            return place

        return loop

    def ranges(self) -> list[Stored]:
        """All of them."""
        return [Stored(*found) for found in self._sorted()]


PEER = Ranges
