"""``sufficient-by-one``: a node of one slot too few is taken for sufficient."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.maple.maple import Maple
from mmtwin.maple.state import SubtreeState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import TreeBench


class SufficientByOne(Maple):
    """``mast_sufficient`` with the wrong comparison."""

    def mast_sufficient(self, mast: SubtreeState) -> bool:
        """Is the gathered data enough for a node? The least number counts as enough."""
        kind = (mast.orig_l.node >> 3) & 15
        return bool(mast.bn.b_end >= self.mt_min_slots(kind))


def story(bench: TreeBench) -> Iterator[str]:
    """A tree of three levels, erased entry by entry."""
    for first in range(0, 2000, 10):
        bench.store(first, first + 5, first + 1)
    yield "store 200 ranges of 6"
    for first in range(0, 2000, 10):
        yield bench.erase(first)


REGRESSION = Regression(
    name="sufficient-by-one",
    title="rebalancing stops one slot too early",
    source="commits ebfee00c0bc8, 971f0db15977 and a9c6716e088a, January 2026",
    versions="linux-next before 7.0",
    layer="maple",
    mechanism=(
        "After a rebalance the parent has fewer children. It is rebuilt too unless it has enough; "
        "how many are enough was taken for one less than a node must have, so a node below the "
        "limit stayed in the tree."
    ),
    trigger="erase entries down through a tree of three levels",
    invariants=("MT-11",),
    overrides=lambda profile: SufficientByOne,
    story=story,
    at_random=30_002,
)
