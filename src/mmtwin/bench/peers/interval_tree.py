"""intervaltree's IntervalTree, used as a range map."""

from __future__ import annotations

from collections.abc import Sequence

from intervaltree import IntervalTree

from mmtwin.bench.peer import Loop, Unordered


class Intervals(Unordered):
    """Its intervals may overlap, so an assignment chops first. Its order is a sort."""

    name = "IntervalTree"
    package = "intervaltree"

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.tree = IntervalTree()

    def store(self, start: int, stop: int, value: int) -> None:
        """``chop``, then add."""
        self.tree.chop(start, stop)
        self.tree[start:stop] = value

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

    def in_order(self) -> list[tuple[int, int, int]]:
        """The tree itself gives them in no order."""
        return sorted(self.tree)

    def erases(self, keys: Sequence[int]) -> Loop:
        """Find the interval, remove it."""
        tree = self.tree

        def loop() -> None:
            for key in keys:
                (interval,) = tree.at(key)
                tree.remove(interval)

        return loop


PEER = Intervals
