"""``end-pivot-overrun``: the pivot behind the last one is read."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.maple.maple import Maple
from mmtwin.maple.state import WrState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import TreeBench


class EndPivotOverrun(Maple):
    """``mas_wr_end_piv`` reading before it looks at the bound."""

    def mas_wr_end_piv(self, wr: WrState) -> None:
        """Find the slot of ``last``; in a full leaf its end is the word behind the pivots."""
        wr.end_piv = wr.r_max
        while wr.mas.last > wr.end_piv and wr.offset_end < wr.node_end:
            wr.offset_end += 1
            wr.end_piv = self.pivot(wr.node, wr.offset_end)
        if wr.mas.last > wr.end_piv:
            wr.end_piv = wr.mas.max


def story(bench: TreeBench) -> Iterator[str]:
    """Fifteen entries and the NULL behind them fill a leaf; NULL from the last into that NULL."""
    for first in range(0, 150, 10):
        yield bench.store(first, first + 9, first + 1)
    yield bench.store(142, 170, 0)


REGRESSION = Regression(
    name="end-pivot-overrun",
    title="the first slot of a full leaf taken for the pivot of its last",
    source="commit cd00dd2585c4, CVE-2023-54135",
    versions="6.1.0 to 6.1.36, up to 6.4; fixed in 6.5",
    layer="maple",
    mechanism=(
        "A leaf has 16 slots and 15 pivots: the last slot of a full leaf ends at the node's max, "
        "which is not stored. Looking for the slot that holds the end of a store, the pivot of the "
        "next slot was read before its number was compared with the end, so in a full leaf the "
        "word behind the pivots was read: slot 0. When that is NULL or less than the end of the "
        "store, a NULL over the leaf's tail is not joined with the NULL that it ends in."
    ),
    trigger="NULL stored over the tail of a full leaf (16 slots in use)",
    invariants=("MT-13",),
    overrides=lambda profile: EndPivotOverrun,
    story=story,
    at_random=5_941,
)
