"""``dense-split``: a split moved so far right that the right node is too small."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState, SubtreeState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import TreeBench


class DenseSplit(Maple):
    """``mab_calc_split`` with the rule that was meant for dense nodes."""

    def mab_calc_split(self, mas: MaState, mast: SubtreeState) -> int:
        """Where to cut: moved right while the left node's range is narrower than its slots."""
        split = super().mab_calc_split(mas, mast)
        bn = mast.bn
        if mast.mid_split or mas.mas_flags & 1:
            return split
        slots = self.mt_slots(bn.type)
        least = self.mt_min_slots(bn.type)
        split = bn.b_end // 2
        while bn.get_pivot(split) < slots - 1 and split < slots - 1 and bn.b_end - split > least:
            split += 1
        return self.mab_no_null_split(bn, split, slots)


def story(bench: TreeBench) -> Iterator[str]:
    """Single indexes from 0 on, and some above, until a leaf splits."""
    yield from bench.play(" ".join(f"S{index}" for index in range(10)))
    yield from bench.play(" ".join(f"S{index}" for index in range(20, 39)))
    yield from bench.play(
        "S10-11 S13-16 S0 S247-251 S242-244 S6-10 S256-261 S4 S15-119 S13 S11 S151-156 S178-226 "
        "S257-261 S213 S63-132 N127-129 S91-93 S28-30 E15"
    )


REGRESSION = Regression(
    name="dense-split",
    title="a split of single indexes near 0 leaves the right leaf too small",
    source="commit 4f6a6bed0bfe",
    versions="6.1 to 6.13; fixed in 6.1.129",
    layer="maple",
    mechanism=(
        "To keep the way open for dense nodes, where every index has a slot, a split moved right "
        "while the left part spanned fewer indexes than a node has slots. Dense nodes never came, "
        "but the rule stayed. It tests the room on the right before it moves, and then the rule "
        "against a NULL at the end of the left node can move the cut once more: the right node "
        "ends up with fewer slots than a node must have."
    ),
    trigger="entries of one index each from 0 on, until a leaf splits",
    invariants=("MT-11",),
    overrides=lambda profile: DenseSplit,
    story=story,
    at_random=2_732,
)
