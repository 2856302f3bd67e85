"""``live-leaf-root``: a destroyed root leaf that readers take for alive."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.maple.maple import Maple
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import TOP, TreeBench

LEAF = 1


class LiveLeafRoot(Maple):
    """``mt_destroy_walk`` that leaves a root leaf as it is."""

    def mt_destroy_walk(self, enode: int, tree: int, free: bool) -> None:
        """Mark the subtree dead; a lone leaf is only handed to RCU."""
        if (enode >> 3) & 15 == LEAF and not free:
            return
        super().mt_destroy_walk(enode, tree, free)


def story(bench: TreeBench) -> Iterator[str]:
    """One leaf, wholly overwritten."""
    yield bench.store(10, 19, 1)
    yield bench.store(0, TOP, 2)


REGRESSION = Regression(
    name="live-leaf-root",
    title="the leaf of a destroyed one-leaf tree is not marked dead",
    source="commit ea9b77f98d94",
    versions="up to 6.15; fixed in 6.16 and 6.1.146",
    layer="maple",
    mechanism=(
        "Destroying a tree marks every node dead before it is freed after a grace period, so that "
        "a reader that stands in one starts afresh. A tree whose root is a leaf took a short way "
        "out, without the mark: a reader in it went on reading what soon is someone else's memory."
    ),
    trigger="in RCU mode, overwrite or destroy a tree of one leaf",
    invariants=("MT-31",),
    overrides=lambda profile: LiveLeafRoot,
    story=story,
    tree_flags=3,
    at_random=1_010,
)
