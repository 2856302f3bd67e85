"""``root-limit-missing``: a new root leaf without its last pivot."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import TreeBench


class RootLimitMissing(Maple):
    """``mas_root_expand`` relying on the metadata alone."""

    def mas_root_expand(self, mas: MaState, entry: int) -> None:
        """Make the first leaf; where it ends, only the metadata says."""
        super().mas_root_expand(mas, entry)
        if mas.is_err() or mas.last == self.max_index:
            return
        node = mas.node & ~255
        self.set_pivot(node, self.mas_data_end(mas), 0)


def story(bench: TreeBench) -> Iterator[str]:
    """The first store is enough for the rule; entries are lost some stores later."""
    yield from bench.play("S15-18 S398-MAX S173-175 S145-150 S305-308 S326-327 S96-101 S52-53")


REGRESSION = Regression(
    name="root-limit-missing",
    title="the first leaf of a tree lacks its last pivot, and data behind it is lost",
    source="commit 3c769fd88b97",
    versions="6.1.0 to 6.1.41, up to 6.4; fixed in 6.5",
    layer="maple",
    mechanism=(
        "The first leaf of a tree was built without the pivot of its last slot: the data end stood "
        "in the metadata, and the slot's end is the tree's. Some of the code that copies nodes "
        "takes a pivot of 0 for the end of the data. Once the leaf grew, entries were lost and "
        "NULLs adjoined."
    ),
    trigger="a first store that does not end at the last index; then stores until the leaf splits",
    invariants=("MT-07",),
    overrides=lambda profile: RootLimitMissing,
    story=story,
    at_random=1,
)
