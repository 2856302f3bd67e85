"""``search-below-min``: a search from the top answers below the window."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import TreeBench


class SearchBelowMin(Maple):
    """``mas_empty_area_rev`` without a test of the lower bound."""

    def mas_empty_area_rev(self, mas: MaState, min: int, max: int, size: int) -> int:
        """Find room from the top; a gap that begins below the window counts in full."""
        error = super().mas_empty_area_rev(mas, min, max, size)
        if error != -16:
            return error
        wider = MaState(mas.tree, 0)
        if super().mas_empty_area_rev(wider, 0, max, size) or wider.last < min:
            return error
        mas.reset()
        return super().mas_empty_area_rev(mas, 0, max, size)


def story(bench: TreeBench) -> Iterator[str]:
    """A gap from 175 to 281; ask for 9 above 280."""
    yield bench.store(170, 317, 1)
    yield bench.store(175, 281, 0)
    yield bench.search(280, 302, 9)


REGRESSION = Regression(
    name="search-below-min",
    title="mas_empty_area_rev answers below the lower bound",
    source="commit 7327e8111adb",
    versions="6.1.0 to 6.1.10; fixed in 6.2",
    layer="maple",
    mechanism=(
        "The search from the top compares the size asked for with the whole gap that it meets, and "
        "with what lies of it below the upper bound. What lies below the lower bound was never "
        "taken off: a gap that straddles it was found large enough, and the window returned began "
        "below the bound."
    ),
    trigger="a gap across the lower bound, large enough as a whole, too small above the bound",
    invariants=("MT-20",),
    overrides=lambda profile: SearchBelowMin,
    story=story,
    at_random=80,
)
