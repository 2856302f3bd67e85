"""portion's IntervalDict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import portion

from mmtwin.bench.peer import Loop, Peer, highest_gap, lowest_gap
from mmtwin.bench.work import Search, Stored, Wanted


class Portions(Peer):
    """Maps a set of intervals to each value: the two ends of a range that was split are one key.

    So order needs a sort of the single intervals.
    """

    name = "IntervalDict"
    package = "portion"
    scans = True

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.map = portion.IntervalDict()

    def stores(self, ranges: Sequence[Stored]) -> Loop:
        """``map[closedopen(start, stop)] = value``."""
        map_, closedopen = self.map, portion.closedopen

        def loop() -> None:
            for start, stop, value in ranges:
                map_[closedopen(start, stop)] = value

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
        """All single intervals, sorted."""

        def loop() -> None:
            for _start, _stop, _value in self._sorted():
                pass

        return loop

    def _sorted(self) -> list[tuple[int, int, int]]:
        return sorted(
            (atom.lower, atom.upper, value)
            for interval, value in self.map.items()
            for atom in interval
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
        """Find the interval among those of its value, delete it."""
        map_ = self.map

        def loop() -> None:
            for key in keys:
                for atom in map_.find(map_[key]):
                    if key in atom:
                        del map_[atom]

        return loop

    def fills(self, wanted: Sequence[Wanted], end: int) -> Loop:
        """By a scan from the top."""
        map_, closedopen = self.map, portion.closedopen

        def loop() -> object:
            place = None
            for size, value in wanted:
                descending = ((start, stop) for start, stop, _ in reversed(self._sorted()))
                place = highest_gap(descending, size, end)
                map_[closedopen(place, place + size)] = value
            return place

        return loop

    def ranges(self) -> list[Stored]:
        """All of them."""
        return [Stored(*found) for found in self._sorted()]


PEER = Portions
