"""`MapleTree`, one call for each operation."""

from __future__ import annotations

from collections.abc import Sequence

from mmtwin.bench.peer import Loop, Peer, subscripts
from mmtwin.bench.work import Search, Stored, Wanted
from mmtwin.rangemap import MapleTree


class Single(Peer):
    """The range map as Python programs use it."""

    name = "MapleTree"
    ceiling = 10_000_000

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.tree: MapleTree[int] = MapleTree()

    def stores(self, ranges: Sequence[Stored]) -> Loop:
        """``tree[start:stop] = value``."""
        tree = self.tree

        def loop() -> None:
            for start, stop, value in ranges:
                tree[start:stop] = value

        return loop

    def lookups(self, keys: Sequence[int]) -> Loop:
        """``tree[key]``."""
        return subscripts(self.tree, keys)

    def iterates(self) -> Loop:
        """``for start, last, value in tree``."""
        tree = self.tree

        def loop() -> None:
            for _start, _last, _value in tree:
                pass

        return loop

    def gaps(self, searches: Sequence[Search], end: int) -> Loop:
        """``tree.find_gap(size, low, high)``."""
        find_gap = self.tree.find_gap

        def loop() -> object:
            place = None
            for low, size in searches:
                place = find_gap(size, low, end)
            return place

        return loop

    def erases(self, keys: Sequence[int]) -> Loop:
        """``tree.erase(key)``."""
        erase = self.tree.erase

        def loop() -> None:
            for key in keys:
                erase(key)

        return loop

    def fills(self, wanted: Sequence[Wanted], end: int) -> Loop:
        """``tree.allocate(size, value, ...)``."""
        allocate = self.tree.allocate

        def loop() -> object:
            place = None
            for size, value in wanted:
                place = allocate(size, value, high=end, from_top=True)
            return place

        return loop

    def ranges(self) -> list[Stored]:
        """All of them; the tree's own ends are inclusive."""
        return [Stored(start, last + 1, value) for start, last, value in self.tree]


PEER = Single
