"""A range map by hand on BTrees' LOBTree: start to (stop, value)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from BTrees.LOBTree import LOBTree

from mmtwin.bench.peer import Loop, Scanning
from mmtwin.bench.work import Stored


class Objects(Scanning):
    """Any object as value; keys up to 2**63 - 1."""

    name = "BTrees LOBTree"
    package = "BTrees"

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.tree = LOBTree()

    def store(self, start: int, stop: int, value: object) -> None:
        """Assign, with what overlaps cut or split."""
        tree = self.tree
        try:
            near = tree.maxKey(stop - 1)
        except ValueError:
            tree[start] = (stop, value)
            return
        near_stop, near_value = tree[near]
        if near_stop > stop:
            tree[stop] = (near_stop, near_value)
        if near < start:
            if near_stop > start:
                tree[near] = (start, near_value)
        else:
            for key in list(tree.keys(start, near)):
                del tree[key]
            self._cut_before(start)
        tree[start] = (stop, value)

    def _cut_before(self, start: int) -> None:
        tree = self.tree
        try:
            left = tree.maxKey(start)
        except ValueError:
            return
        left_stop, left_value = tree[left]
        if left_stop > start:
            tree[left] = (start, left_value)

    def lookups(self, keys: Sequence[int]) -> Loop:
        """``maxKey`` finds the range that begins at or before the key."""
        tree, floor = self.tree, self.tree.maxKey

        def loop() -> object:
            value = None
            for key in keys:
                stop, value = tree[floor(key)]
                if key >= stop:
                    raise KeyError(key)
            return value

        return loop

    def iterates(self) -> Loop:
        """``items()`` are in order."""
        tree = self.tree

        def loop() -> None:
            for _start, (_stop, _value) in tree.items():
                pass

        return loop

    def ascending(self, low: int) -> Iterator[tuple[int, int]]:
        """From the one at or before the index."""
        tree = self.tree
        try:
            near = tree.maxKey(low)
        except ValueError:
            near = low
        for start, (stop, _) in tree.items(near):
            if stop > low:
                yield start, stop

    def erases(self, keys: Sequence[int]) -> Loop:
        """Find the start, delete it."""
        tree, floor = self.tree, self.tree.maxKey

        def loop() -> None:
            for key in keys:
                del tree[floor(key)]

        return loop

    def descending(self) -> Iterator[tuple[int, int]]:
        """Backwards."""
        tree = self.tree
        if not tree:
            return
        first, start = tree.minKey(), tree.maxKey()
        while True:
            yield start, tree[start][0]
            if start == first:
                return
            start = tree.maxKey(start - 1)

    def ranges(self) -> list[Stored]:
        """All of them."""
        return [Stored(start, stop, value) for start, (stop, value) in self.tree.items()]


PEER = Objects
