"""A range map by hand on BTrees' QQBTree: every border to the word that begins there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from BTrees.QQBTree import QQBTree

from mmtwin.bench.peer import Loop, Scanning
from mmtwin.bench.work import Stored


class Borders(Scanning):
    """Values are words from 1 to 2**64 - 1, no objects; 0 stands for a gap."""

    name = "BTrees QQBTree"
    package = "BTrees"
    ceiling = 10_000_000

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.tree = QQBTree()
        self.tree[0] = 0

    def store(self, start: int, stop: int, value: int) -> None:
        """Assign: borders within go, and a new one at the end has what lay there."""
        tree = self.tree
        near = tree.maxKey(stop)
        if near != stop:
            tree[stop] = tree[near]
        if near > start:
            for key in list(tree.keys(start + 1, stop - 1)):
                del tree[key]
        tree[start] = value

    def lookups(self, keys: Sequence[int]) -> Loop:
        """``maxKey`` finds the border at or before the key."""
        tree, floor = self.tree, self.tree.maxKey

        def loop() -> object:
            value = None
            for key in keys:
                value = tree[floor(key)]
                if not value:
                    raise KeyError(key)
            return value

        return loop

    def iterates(self) -> Loop:
        """``items()`` are the borders in order: each one ends the range before it."""
        tree = self.tree

        def loop() -> None:
            start = value = 0
            for border, after in tree.items():
                if value:
                    _found = (start, border, value)
                start, value = border, after

        return loop

    def ascending(self, low: int) -> Iterator[tuple[int, int]]:
        """From the one at or before the index."""
        tree = self.tree
        start = value = 0
        for border, after in tree.items(tree.maxKey(low)):
            if value:
                yield start, border
            start, value = border, after

    def erases(self, keys: Sequence[int]) -> Loop:
        """By hand; two gaps side by side become one."""
        erase = self.erase

        def loop() -> None:
            for key in keys:
                erase(key)

        return loop

    def erase(self, key: int) -> None:
        """Make the range that holds a key a gap, and drop the borders that no longer are ones."""
        tree = self.tree
        start = tree.maxKey(key)
        stop = tree.minKey(key + 1)
        if not tree[stop]:
            del tree[stop]
        if start and not tree[tree.maxKey(start - 1)]:
            del tree[start]
        else:
            tree[start] = 0

    def descending(self) -> Iterator[tuple[int, int]]:
        """Backwards."""
        tree = self.tree
        stop = tree.maxKey()
        while stop:
            start = tree.maxKey(stop - 1)
            if tree[start]:
                yield start, stop
            stop = start

    def ranges(self) -> list[Stored]:
        """All of them."""
        borders = list(self.tree.items())
        return [
            Stored(start, stop, value) for (start, value), (stop, _) in pairwise(borders) if value
        ]


PEER = Borders
