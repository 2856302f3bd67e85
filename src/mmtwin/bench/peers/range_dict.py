"""python-ranges' RangeDict."""

from __future__ import annotations

from collections.abc import Sequence

from ranges import Range, RangeDict

from mmtwin.bench.peer import Loop, Unordered, subscripts
from mmtwin.bench.work import Stored


class Ranges(Unordered):
    """Maps a set of ranges to each value, as portion does."""

    name = "RangeDict"
    package = "python-ranges"

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.map = RangeDict()

    def store(self, start: int, stop: int, value: int) -> None:
        """``map[Range(start, stop)] = value``."""
        self.map[Range(start, stop)] = value

    def stores(self, ranges: Sequence[Stored]) -> Loop:
        """The same, without a call between."""
        map_ = self.map

        def loop() -> None:
            for start, stop, value in ranges:
                map_[Range(start, stop)] = value

        return loop

    def lookups(self, keys: Sequence[int]) -> Loop:
        """``map[key]``."""
        return subscripts(self.map, keys)

    def in_order(self) -> list[tuple[int, int, int]]:
        """The single ranges."""
        return sorted(
            (range_.start, range_.end, value)
            for sets, value in self.map.items()
            for set_ in sets
            for range_ in set_.ranges()
        )

    def erases(self, keys: Sequence[int]) -> Loop:
        """``remove`` the range at the key."""
        map_ = self.map

        def loop() -> None:
            for key in keys:
                map_.remove(map_.getrange(key))

        return loop


PEER = Ranges
