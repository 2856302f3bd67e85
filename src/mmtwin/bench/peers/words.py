"""The engine's batch entry points: the same words that the kernel's tree is given."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from mmtwin.bench.peer import Loop, Peer
from mmtwin.bench.peers.kernel import ALLOC_RANGE, NODE, entry_of
from mmtwin.bench.work import Search, Stored, Wanted
from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple import batch
from mmtwin.maple.maple import Maple
from mmtwin.memory.allocator import Arena
from mmtwin.rangemap.growing import GrowingMemory

TREE = 32
NOWHERE = (1 << 64) - 1
"""What a search that finds nothing gives."""
ROOM = 1 << 22
"""Bytes of nodes beside those of the ranges."""
EACH = 128
"""Bytes of nodes a range, at most: a leaf of nine pivots or more is seldom less than half full."""


class Words(Peer):
    """One compiled loop for many operations; entries are words, no objects; era 6.1."""

    name = "mmtwin, words"
    in_bulk = True
    ceiling = 10_000_000

    def __init__(self, count: int) -> None:
        super().__init__(count)
        memory = GrowingMemory(1 << 18)
        memory.reserve(ROOM + EACH * count)
        self.nodes = Arena(memory, NODE, NODE, "maple_node")
        self.engine = Maple(memory, self.nodes, era="6.1")
        self.tree = memory.boot_alloc(TREE, 16)
        # The first nodes fetch memory; that is not what is to be measured.
        self.engine.mt_init_flags(self.tree, ALLOC_RANGE)
        self.engine.mtree_store_range(self.tree, 1, 2, 3, GFP_KERNEL)
        self.engine.mtree_destroy(self.tree)
        self.engine.mt_init_flags(self.tree, ALLOC_RANGE)
        self.columns = [array("Q", bytes(8 * (2 * count + 1000))) for _ in range(3)]
        """Room for all ranges."""

    def stores(self, ranges: Sequence[Stored]) -> Loop:
        """``store_many()``."""
        firsts = array("Q", [range_.start for range_ in ranges])
        lasts = array("Q", [range_.stop - 1 for range_ in ranges])
        entries = array("Q", [entry_of(range_.value) for range_ in ranges])

        def loop() -> None:
            done = batch.store_many(self.engine, self.tree, firsts, lasts, entries, GFP_KERNEL)
            assert done == len(entries)

        return loop

    def lookups(self, keys: Sequence[int]) -> Loop:
        """``load_many()``."""
        indexes = array("Q", keys)
        found = array("Q", bytes(8 * len(keys)))

        def loop() -> object:
            hits = batch.load_many(self.engine, self.tree, indexes, found)
            if hits != len(indexes):
                raise KeyError(indexes[found.index(0)])
            return found[-1] >> 1

        return loop

    def iterates(self) -> Loop:
        """``find_many()``."""
        return lambda: batch.find_many(self.engine, self.tree, 0, (1 << 64) - 1, *self.columns)

    def gaps(self, searches: Sequence[Search], end: int) -> Loop:
        """``search_many()``."""
        lows = array("Q", [low for low, _ in searches])
        sizes = array("Q", [size for _, size in searches])
        places = array("Q", bytes(8 * len(searches)))

        def loop() -> object:
            batch.search_many(self.engine, self.tree, lows, end - 1, sizes, places, False)
            return places[-1] if places[-1] != NOWHERE else None

        return loop

    def erases(self, keys: Sequence[int]) -> Loop:
        """``erase_many()``."""
        indexes = array("Q", keys)
        found = array("Q", bytes(8 * len(keys)))

        def loop() -> None:
            assert batch.erase_many(self.engine, self.tree, indexes, found) == len(indexes)

        return loop

    def fills(self, wanted: Sequence[Wanted], end: int) -> Loop:
        """``fill_many()``."""
        sizes = array("Q", [size for size, _ in wanted])
        entries = array("Q", [entry_of(value) for _, value in wanted])
        places = array("Q", bytes(8 * len(wanted)))

        def loop() -> object:
            done = batch.fill_many(
                self.engine, self.tree, 0, end - 1, sizes, entries, places, True, GFP_KERNEL
            )
            assert done == len(entries)
            return places[-1]

        return loop

    def ranges(self) -> list[Stored]:
        """All of them."""
        firsts, lasts, entries = self.columns
        done = batch.find_many(self.engine, self.tree, 0, (1 << 64) - 1, firsts, lasts, entries)
        return [Stored(firsts[i], lasts[i] + 1, entries[i] >> 1) for i in range(done)]

    def bytes(self) -> int:
        """All nodes in use."""
        return NODE * self.nodes.in_use()


PEER = Words
