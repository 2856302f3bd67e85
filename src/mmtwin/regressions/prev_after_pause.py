"""``prev-after-pause``: walking back from a paused cursor finds nothing."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import TreeBench


class PrevAfterPause(Maple):
    """``mas_prev`` without the states that need a walk first."""

    def mas_prev(self, mas: MaState, min: int) -> int:
        """The entry before the cursor; none if the cursor has no place."""
        if mas.is_paused() or mas.is_none():
            return 0
        return super().mas_prev(mas, min)


def story(bench: TreeBench) -> Iterator[str]:
    """Two entries; the walk over a tree turns round after a pause."""
    yield bench.store(10, 19, 1)
    yield bench.store(30, 39, 2)


REGRESSION = Regression(
    name="prev-after-pause",
    title="mas_prev from a paused or empty cursor finds nothing",
    source="commit 17dc622c7b0f",
    versions="6.1.0 to 6.1.23; fixed in 6.3",
    layer="maple",
    mechanism=(
        "A cursor that was paused, or that found nothing, has no node to step back from: it has to "
        "walk to its index first. mas_prev went straight to the step, which ends at once in such a "
        "state, and told its caller that there is no entry before."
    ),
    trigger="find an entry that has one before it, mas_pause, mas_prev",
    invariants=("MT-21",),
    overrides=lambda profile: PrevAfterPause,
    story=story,
    at_random=48,
)
