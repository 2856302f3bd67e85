"""``sparse-window``: a search in a tree of one entry ignores how much room is left."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import TreeBench


class SparseWindow(Maple):
    """``mas_sparse_area`` without the second look at the window."""

    def mas_sparse_area(self, mas: MaState, min: int, max: int, size: int, fwd: bool) -> int:
        """The room beside a direct entry, whether or not it is enough."""
        if not mas.is_none() and min == 0 and max - min + 1 == size:
            mas.index, mas.last = (1, size) if fwd else (max - size + 1, max)
            return 0
        return super().mas_sparse_area(mas, min, max, size, fwd)


def story(bench: TreeBench) -> Iterator[str]:
    """One entry at 0; ask for 10 in 0..9."""
    yield bench.store(0, 0, 1)
    yield bench.search(0, 9, 10)


REGRESSION = Regression(
    name="sparse-window",
    title="a search beside a single entry answers over it, or past the window",
    source="commit 29ad6bb31348",
    versions="6.1.0 to 6.1.93, up to 6.4",
    layer="maple",
    mechanism=(
        "A tree can be one entry at index 0 without any node. The search for room raises the lower "
        "bound past it. That leaves one index less, which was not compared with the size again: a "
        "window that was filled exactly was answered with a range beyond it."
    ),
    trigger="one entry at index 0; ask for as many indexes as the window from 0 on has",
    invariants=("MT-20",),
    overrides=lambda profile: SparseWindow,
    story=story,
    at_random=66_960,
)
