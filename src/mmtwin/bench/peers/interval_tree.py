"""intervaltree's IntervalTree, used as a range map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from intervaltree import IntervalTree

from mmtwin.bench.peer import Loop, Peer, highest_gap, lowest_gap
from mmtwin.bench.work import Search, Stored, Wanted


class Intervals(Peer):
    """Its intervals may overlap, so an assignment chops first. Its order is a sort."""

    name = "IntervalTree"
    package = "intervaltree"
    scans = True

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.tree = IntervalTree()

    def stores(self, ranges: Sequence[Stored]) -> Loop:
        """``chop``, then add."""
        tree = self.tree

        def loop() -> None:
            for start, stop, value in ranges:
                tree.chop(start, stop)
                tree[start:stop] = value

        return loop

    def lookups(self, keys: Sequence[int]) -> Loop:
        """The set of intervals at the key has one member."""
        tree = self.tree

        def loop() -> object:
            value = None
            for key in keys:
                found = tree.at(key)
                if not found:
                    raise KeyError(key)
                (interval,) = found
                value = interval.data
            return value

        return loop

    def iterates(self) -> Loop:
        """Sorted: the tree itself gives them in no order."""
        tree = self.tree

        def loop() -> None:
            for _start, _stop, _value in sorted(tree):
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
        for start, stop, _ in sorted(self.tree):
            if stop > low:
                yield start, stop

    def erases(self, keys: Sequence[int]) -> Loop:
        """Find the interval, remove it."""
        tree = self.tree

        def loop() -> None:
            for key in keys:
                (interval,) = tree.at(key)
                tree.remove(interval)

        return loop

    def fills(self, wanted: Sequence[Wanted], end: int) -> Loop:
        """By a scan of the sorted intervals from the top."""
        tree = self.tree

        def loop() -> object:
            place = None
            for size, value in wanted:
                descending = ((i.begin, i.end) for i in sorted(tree, reverse=True))
                place = highest_gap(descending, size, end)
                tree[place : place + size] = value
            return place

        return loop

    def ranges(self) -> list[Stored]:
        """All of them."""
        return [Stored(*interval) for interval in sorted(self.tree)]


PEER = Intervals
