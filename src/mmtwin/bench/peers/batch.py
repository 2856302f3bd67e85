"""`MapleTree`, many operations in one call."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from mmtwin.bench.peer import Loop
from mmtwin.bench.peers.maple import Single
from mmtwin.bench.work import Stored, Wanted


class Batch(Single):
    """The range map with its objects, given arrays. It has no batch of searches for gaps."""

    name = "MapleTree, batch"
    in_bulk = True

    def stores(self, ranges: Sequence[Stored]) -> Loop:
        """``store_many()``."""
        starts = array("Q", [range_.start for range_ in ranges])
        stops = array("Q", [range_.stop for range_ in ranges])
        values = [range_.value for range_ in ranges]
        return lambda: self.tree.store_many(starts, stops, values)

    def lookups(self, keys: Sequence[int]) -> Loop:
        """``get_many()``."""
        indexes = array("Q", keys)

        def loop() -> object:
            found = self.tree.get_many(indexes)
            if found[-1] is None:
                raise KeyError(indexes[-1])
            return found[-1]

        return loop

    def iterates(self) -> Loop:
        """``to_arrays()``."""

        def loop() -> None:
            self.tree.to_arrays()

        return loop

    def erases(self, keys: Sequence[int]) -> Loop:
        """``erase_many()``."""
        indexes = array("Q", keys)

        def loop() -> None:
            self.tree.erase_many(indexes)

        return loop

    def fills(self, wanted: Sequence[Wanted], end: int) -> Loop:
        """``allocate_many()``."""
        sizes = array("Q", [size for size, _ in wanted])
        values = [value for _, value in wanted]

        def loop() -> object:
            return self.tree.allocate_many(sizes, values, high=end, from_top=True)[-1]

        return loop


PEER = Batch
