"""``search-past-root``: an exhausted search returns an occupied range."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import TreeBench


class SearchPastRoot(Maple):
    """``mas_empty_area_rev`` that does not look at the error of its walk."""

    def mas_empty_area_rev(self, mas: MaState, min: int, max: int, size: int) -> int:
        """Find room from the top; where there is none the last place looked at is returned."""
        error = super().mas_empty_area_rev(mas, min, max, size)
        if error == -16 and self.root(mas.tree) & 3 == 2:
            mas.index, mas.last = max - size + 1, max
            return 0
        return error


def story(bench: TreeBench) -> Iterator[str]:
    """Every index is taken but a few; ask for more."""
    for first in range(0, 300, 10):
        yield bench.store(first, first + 8, first + 1)
    yield bench.search(0, 290, 5)


REGRESSION = Regression(
    name="search-past-root",
    title="mas_empty_area_rev returns an occupied range when there is no room",
    source="folded into the maple tree before its merge, 2022",
    versions="maple tree up to v9 (2022)",
    layer="maple",
    mechanism=(
        "When the search from the top has looked at every child of the root it sets an error in "
        "the cursor. The loop around it asked only whether the walk was over, not how it had "
        "ended, and returned the range that the cursor happened to stand on."
    ),
    trigger="ask from the top for more room than there is",
    invariants=("MT-20",),
    overrides=lambda profile: SearchPastRoot,
    story=story,
    at_random=16,
)
