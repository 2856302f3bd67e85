"""portion's IntervalDict."""

from __future__ import annotations

from collections.abc import Sequence

import portion

from mmtwin.bench.peer import Loop, Unordered, subscripts
from mmtwin.bench.work import Stored


class Portions(Unordered):
    """Maps a set of intervals to each value: the two ends of a range that was split are one key.

    So order needs a sort of the single intervals.
    """

    name = "IntervalDict"
    package = "portion"

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.map = portion.IntervalDict()

    def store(self, start: int, stop: int, value: int) -> None:
        """``map[closedopen(start, stop)] = value``."""
        self.map[portion.closedopen(start, stop)] = value

    def stores(self, ranges: Sequence[Stored]) -> Loop:
        """The same, without a call between."""
        map_, closedopen = self.map, portion.closedopen

        def loop() -> None:
            for start, stop, value in ranges:
                map_[closedopen(start, stop)] = value

        return loop

    def lookups(self, keys: Sequence[int]) -> Loop:
        """``map[key]``."""
        return subscripts(self.map, keys)

    def in_order(self) -> list[tuple[int, int, int]]:
        """The single intervals."""
        return sorted(
            (atom.lower, atom.upper, value)
            for interval, value in self.map.items()
            for atom in interval
        )

    def erases(self, keys: Sequence[int]) -> Loop:
        """Find the interval among those of its value, delete it."""
        map_ = self.map

        def loop() -> None:
            for key in keys:
                for atom in map_.find(map_[key]):
                    if key in atom:
                        del map_[atom]

        return loop


PEER = Portions
