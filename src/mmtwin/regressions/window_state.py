"""``window-state``: a search leaves the cursor with a wrong range."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import TreeBench


class WindowState(Maple):
    """``mas_empty_area_rev`` leaving the gap's range as the node's."""

    def mas_empty_area_rev(self, mas: MaState, min: int, max: int, size: int) -> int:
        """Find room from the top; the cursor says that its node ends where the gap ends."""
        error = super().mas_empty_area_rev(mas, min, max, size)
        if error == 0 and mas.is_active():
            node = mas.node & ~255
            end = self.mas_data_end(mas)
            if mas.offset < end:
                mas.max = self.pivot(node, mas.offset)
        return error


def story(bench: TreeBench) -> Iterator[str]:
    """Find room from the top, store there through the same cursor."""
    for first in range(0, 120, 20):
        yield bench.store(first, first + 9, first + 1)
    mas = MaState(bench.tree, 0)
    bench.maple.mas_empty_area_rev(mas, 0, 79, 5)
    yield bench.store_through(mas, 9)


REGRESSION = Regression(
    name="window-state",
    title="a store through the cursor of a search damages the leaf",
    source="commits fad8e4291da5 and 06e8fd999334",
    versions="6.1.0 to 6.1.25; fixed in 6.4",
    layer="maple",
    mechanism=(
        "A search for room keeps the range of the gap in the cursor's min and max while it walks, "
        "where every other walk keeps the range of the node. It left them so. The minimum and "
        "maximum of a node are not stored in it: a store through such a cursor takes the leaf to "
        "end where the gap ended, and rebuilds it without the rest."
    ),
    trigger="mas_empty_area_rev below other entries of a leaf, then a store through the cursor",
    invariants=("MT-16",),
    overrides=lambda profile: WindowState,
    story=story,
    at_random=52,
)
