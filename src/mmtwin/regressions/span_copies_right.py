"""``span-copies-right``: overwritten data copied behind a spanning store."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.maple.maple import Maple
from mmtwin.maple.state import WrState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import TreeBench


class SpanCopiesRight(Maple):
    """``mas_wr_spanning_store`` always copying the right leaf's rest."""

    def mas_store_b_node(self, wr: WrState, offset_end: int) -> None:
        """Lay out the left part; the right one is taken to go on behind the store."""
        super().mas_store_b_node(wr, offset_end)
        right = wr.mast.orig_r
        if wr.mas is wr.mast.orig_l and right.max == right.last:
            right.last -= 1


def story(bench: TreeBench) -> Iterator[str]:
    """Four hundred ranges, then a store that ends where a subtree ends."""
    for first in range(0, 4000, 10):
        bench.store(first, first + 5, first + 1)
    yield "store 400 ranges of 6"
    yield bench.store(630, 715, 7)


REGRESSION = Regression(
    name="span-copies-right",
    title="a spanning store that ends where a subtree ends keeps a slot that it overwrote",
    source="commit bea07fd63192",
    versions="6.1 to 6.11 (met since 6.12-rc); fixed in 6.12 and 6.1.114",
    layer="maple",
    mechanism=(
        "A spanning store looks for what remains on its right by walking to the index behind its "
        "end. Where the store ends exactly at the end of the subtree that it spans, that walk is "
        "clamped to the last slot, which the store overwrites; its content was copied behind the "
        "new entry all the same. The range then stood in the tree twice, the second time with an "
        "end before its beginning. Games under Wine crashed on it."
    ),
    trigger="a store over several leaves that ends at the max of the ancestor where it spans",
    invariants=("MT-08",),
    overrides=lambda profile: SpanCopiesRight,
    story=story,
    at_random=3_060,
)
