"""``deficient-right-edge``: too small a leaf left at the end of the tree."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.maple.maple import Maple
from mmtwin.maple.state import SubtreeState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import TreeBench


class DeficientRightEdge(Maple):
    """``mas_spanning_rebalance`` of 6.1.0, which took the right edge for the whole tree."""

    def mast_is_whole_tree(self, mast: SubtreeState) -> bool:
        """Is there no neighbour? Only one of the two edges was looked at."""
        return bool(mast.orig_l.min == 0 or mast.orig_r.max == self.max_index)


def story(bench: TreeBench) -> Iterator[str]:
    """Fifty-one ranges stored downwards, then NULL from the middle to the last of them."""
    for first in range(500, -1, -10):
        bench.store(first, first + 9, first + 1)
    yield "store 51 ranges of 10 downwards from 500"
    yield bench.store(240, 509, 0)


REGRESSION = Regression(
    name="deficient-right-edge",
    title="a spanning store to the end of the tree leaves a leaf with too few slots",
    source="commit 0abb964aae3d",
    versions="6.1.0; fixed in 6.2 and early 6.1.y",
    layer="maple",
    mechanism=(
        "When what a spanning store leaves over is too little for a node, a neighbour is taken in, "
        "unless the two edges enclose the whole tree. The test was true as soon as one edge "
        "touched an end of the tree, so a store that reached the right end skipped the merge and "
        "left a leaf that was too small, which later walks and rebalances do not expect. It was "
        "seen as an RCU stall when CRIU restored a process."
    ),
    trigger="a NULL store from the middle of the tree into its last leaf",
    invariants=("MT-11",),
    overrides=lambda profile: DeficientRightEdge,
    story=story,
    at_random=8_674,
)
