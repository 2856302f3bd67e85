"""The kernel's own maple tree, compiled for user space."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from mmtwin.bench.peer import Loop, Peer, Took
from mmtwin.bench.work import Search, Stored, Wanted
from mmtwin.kernels.ktree import KernelTree
from mmtwin.kernels.ktree.protocol import MAX, Op, Operation, Timed

ALLOC_RANGE = 1
NODE = 256
"""Bytes a node."""


def entry_of(value: int) -> int:
    """A number as a value entry."""
    return value << 1 | 1


def flat(ranges: Sequence[Stored]) -> array[int]:
    """First, last (inclusive) and entry of each, one after another."""
    words = array("Q")
    for start, stop, value in ranges:
        words.extend((start, stop - 1, entry_of(value)))
    return words


class Kernel(Peer):
    """The driver's loops under the driver's own stopwatch; RCU mode off, nodes not poisoned.

    NoKernelSourceError if it cannot be built here.
    """

    name = "kernel's C tree"
    in_bulk = True
    ceiling = 10_000_000
    own_clock = True

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.server = KernelTree(poison=False)
        init = Operation(Op.INIT, ALLOC_RANGE)
        # The first nodes fetch memory; that is not what is to be measured.
        self.server.do([init, Operation(Op.STORE_RANGE, 1, 2, 3), Operation(Op.DESTROY), init])
        self.checksum = 0

    def close(self) -> None:
        """End the driver."""
        self.server.close()

    def _loop(self, kind: Timed, words: array[int]) -> Loop:
        def loop() -> Took:
            timing = self.server.timed(kind, words)
            self.checksum = timing.checksum
            return Took(timing.processor, timing.nanoseconds)

        return loop

    def stores(self, ranges: Sequence[Stored]) -> Loop:
        """``mtree_store_range()``."""
        return self._loop(Timed.STORE, flat(ranges))

    def lookups(self, keys: Sequence[int]) -> Loop:
        """``mtree_load()``."""
        return self._loop(Timed.LOAD, array("Q", keys))

    def iterates(self) -> Loop:
        """``mas_for_each()``."""
        return self._loop(Timed.ITERATE, array("Q"))

    def gaps(self, searches: Sequence[Search], end: int) -> Loop:
        """``mas_empty_area()``."""
        words = array("Q")
        for low, size in searches:
            words.extend((low, end - 1, size))
        return self._loop(Timed.SEARCH_UP, words)

    def erases(self, keys: Sequence[int]) -> Loop:
        """``mtree_erase()``."""
        return self._loop(Timed.ERASE, array("Q", keys))

    def fills(self, wanted: Sequence[Wanted], end: int) -> Loop:
        """``mas_empty_area_rev()``, ``mas_store_gfp()``."""
        words = array("Q")
        for size, value in wanted:
            words.extend((0, end - 1, size, entry_of(value)))
        return self._loop(Timed.FILL_DOWN, words)

    def ranges(self) -> list[Stored]:
        """All of them, found one after another."""
        found: list[Stored] = []
        step = Operation(Op.MAS_FIND, MAX)
        self.server.do([Operation(Op.MAS_INIT, 0, 0)])
        while True:
            for result in self.server.do([step] * 1000):
                if result.value == 0:
                    return found
                found.append(Stored(result.start, result.last + 1, result.value >> 1))

    def bytes(self) -> int:
        """All nodes in use."""
        (counts,) = self.server.do([Operation(Op.COUNTS)])
        return counts.value * NODE


PEER = Kernel
