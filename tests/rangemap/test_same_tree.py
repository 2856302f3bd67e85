"""The library's tree is the engine's, word for word, whichever way it takes for a store."""

from __future__ import annotations

from random import Random

import pytest

from mmtwin.kernels.ktree.dump import Dump
from mmtwin.kernels.ktree.image import image
from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple.maple import Maple
from mmtwin.memory.allocator import Arena
from mmtwin.memory.memory import Memory
from mmtwin.rangemap import MapleTree
from mmtwin.rangemap.core import ERA

TOP = (1 << 64) - 1


class Engine:
    """The engine with one tree, given the library's entries."""

    def __init__(self, gaps: bool) -> None:
        memory = Memory(1 << 26)
        self.maple = Maple(memory, Arena(memory, 256, 256, "maple_node"), era=ERA)
        self.tree = memory.boot_alloc(32, 16)
        self.maple.mt_init_flags(self.tree, int(gaps))

    def store(self, start: int, stop: int, entry: int) -> None:
        assert self.maple.mtree_store_range(self.tree, start, stop - 1, entry, GFP_KERNEL) == 0

    def dump(self) -> Dump:
        return Dump(image(self.maple, self.tree))


def dump_of(tree: MapleTree) -> Dump:
    return Dump(image(tree.core.engine, tree.core.tree))


@pytest.mark.parametrize("gaps", [True, False])
@pytest.mark.parametrize(
    ("domain", "longest", "operations"),
    [(20, 5, 400), (100, 10, 600), (400, 12, 1200), (3000, 40, 2500), (1 << 40, 1 << 30, 2500)],
)
def test_random_stores(gaps: bool, domain: int, longest: int, operations: int) -> None:
    draw = Random(domain)
    tree, engine = MapleTree(gaps=gaps), Engine(gaps)
    for number in range(operations):
        start = draw.randrange(domain)
        stop = start + 1 + draw.randrange(longest if draw.randrange(20) else 20 * longest)
        if draw.randrange(60) == 0:
            stop = TOP + 1
        if draw.randrange(10) < 6:
            tree[start:stop] = number
            engine.store(start, stop, tree.core.load(start))
        else:
            del tree[start:stop]
            engine.store(start, stop, 0)
        if domain < 1000 or number % 25 == 0:
            mine, its = dump_of(tree), engine.dump()
            assert mine == its, f"operation {number}: {start} {stop} {mine.differences(its)}"
    assert dump_of(tree) == engine.dump()
    assert tree.core.slab.in_use() == dump_of(tree).nodes


def test_ascending_and_descending_stores() -> None:
    for order in (range(2000), range(1999, -1, -1)):
        tree, engine = MapleTree(), Engine(True)
        for i in order:
            tree[i * 10 : i * 10 + 5] = i
            engine.store(i * 10, i * 10 + 5, tree.core.load(i * 10))
        assert dump_of(tree) == engine.dump()
        assert dump_of(tree.copy()) == engine.dump()


def test_a_written_snapshot_leaves_the_same_tree() -> None:
    tree = MapleTree((i * 10, i * 10 + 5, i) for i in range(500))
    before = dump_of(tree)
    snapshot = tree.snapshot()
    del tree[100:3000]
    assert Dump(image(snapshot.core.engine, snapshot.core.tree)) == before
