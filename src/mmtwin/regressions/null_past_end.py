"""``null-past-end``: a NULL widened over a slot that is not there."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.maple.maple import Maple
from mmtwin.maple.state import WrState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import TOP, TreeBench


class NullPastEnd(Maple):
    """``mas_wr_extend_null`` looking at the slot behind without asking for the data end."""

    def mas_wr_extend_null(self, wr: WrState) -> None:
        """Widen a NULL; the slot behind reads as NULL where it is the tree's last."""
        mas = wr.mas
        behind = wr.offset_end + 1
        if behind == wr.node_end and mas.last == wr.end_piv and mas.max == self.max_index:
            wr.offset_end = behind
            mas.last = wr.end_piv = mas.max
        super().mas_wr_extend_null(wr)


def story(bench: TreeBench) -> Iterator[str]:
    """NULL between the last two entries, then over the one before the last."""
    for first in range(0, 50, 10):
        yield bench.store(first, first + 9, first + 1)
    yield bench.store(50, TOP, 6)
    yield bench.store(42, 49, 0)


REGRESSION = Regression(
    name="null-past-end",
    title="a NULL next to the last entry of a leaf erases it",
    source="folded into the maple tree before its merge, 2022",
    versions="maple tree up to v8 (2022)",
    layer="maple",
    mechanism=(
        "Storing NULL takes in the NULL that it touches on either side, so that two never adjoin. "
        "On the right that is the slot behind the one where the store ends. Whether there is such "
        "a slot, and whether it is the last, was not asked: at the end of a node the store ran on "
        "over data."
    ),
    trigger="NULL stored up to the last entry of the last leaf",
    invariants=("MT-22",),
    overrides=lambda profile: NullPastEnd,
    story=story,
    at_random=96,
)
