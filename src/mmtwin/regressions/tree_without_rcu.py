"""``tree-without-rcu``: readers walk a tree that is edited in place."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import SpaceBench
from mmtwin.space.space import Space


class TreeWithoutRcu(Space):
    """``mm_init`` with the flags of a tree that nobody reads without the lock."""

    def mm_alloc(self, task: int) -> int:
        """A fresh address space; its tree is not in RCU mode."""
        mm = super().mm_alloc(task)
        if mm:
            tree = mm + self.layouts.mm_struct.offset("mm_mt")
            self.maple.set_flags(tree, self.maple.flags(tree) & ~2)
        return mm


def story(bench: SpaceBench) -> Iterator[str]:
    """The first area."""
    yield bench.map(0, 1)


REGRESSION = Regression(
    name="tree-without-rcu",
    title="an address space's tree is not in RCU mode although it has readers",
    source="commit 3dd443254941 (syzbot 8d95422d3537159ca390)",
    versions="6.1.0 to 6.1.23, 6.2; fixed in 6.3",
    layer="space",
    mechanism=(
        "A tree outside RCU mode is edited in place: whoever reads must hold the lock. Stack "
        "growth changed the tree under the mmap read lock, beside other readers under the same "
        "lock, which met half-written nodes: a BUG in mm/mmap.c."
    ),
    trigger="any address space",
    invariants=("VM-35",),
    overrides=lambda profile: TreeWithoutRcu,
    story=story,
    at_random=2,
)
