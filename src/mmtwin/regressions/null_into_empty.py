"""``null-into-empty``: a NULL stored into an empty tree makes a node."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import TreeBench


class NullIntoEmpty(Maple):
    """``mas_store_root`` before it was told of NULLs."""

    def mas_store_root(self, mas: MaState, entry: int) -> None:
        """Store into a tree without nodes; a NULL that begins above 0 is an entry like others."""
        if entry == 0 and mas.index > 0:
            self.mas_root_expand(mas, entry)
        else:
            super().mas_store_root(mas, entry)


def story(bench: TreeBench) -> Iterator[str]:
    """NULL into nothing."""
    yield bench.store(3, 10, 0)


REGRESSION = Regression(
    name="null-into-empty",
    title="a NULL stored into an empty tree leaves a leaf of NULLs",
    source="commit 0ea120b278ad",
    versions="6.1 to 6.12; fixed in 6.13 and 6.1.120",
    layer="maple",
    mechanism=(
        "A tree without nodes is NULL or one entry at index 0. Storing NULL there can at most "
        "clear it. When the range did not begin at 0 a leaf was built for it as for any entry, "
        "with up to three NULLs in a row and nothing else."
    ),
    trigger="store NULL over 3..10 in an empty tree",
    invariants=("MT-13",),
    overrides=lambda profile: NullIntoEmpty,
    story=story,
    at_random=19,
)
