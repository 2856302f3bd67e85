"""``stale-node-copy``: old slots copied behind the new end of a leaf."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.maple.maple import Maple
from mmtwin.maple.state import WrState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import TOP, TreeBench


class StaleNodeCopy(Maple):
    """``mas_wr_node_store`` as in the tree's version 10."""

    def mas_wr_node_store(self, wr: WrState) -> bool:
        """Rebuild the leaf; behind an entry that ends at its max goes the old tail once more."""
        mas = wr.mas
        tail = []
        if mas.last == mas.max:
            pivots = self.mt_pivots(wr.type)
            for i in range(max(mas.offset - 1, 0), wr.node_end + 1):
                pivot = self.pivot(wr.node, i) if i < pivots else 0
                tail.append((pivot, self.slot(wr.node, wr.type, i)))
        if not super().mas_wr_node_store(wr):
            return False
        node = mas.node & ~255
        for at, (pivot, entry) in enumerate(tail, mas.offset + 1):
            if at < self.mt_pivots(wr.type):
                self.set_pivot(node, at, pivot)
                self.set_slot(node, wr.type, at, entry)
        return True


def story(bench: TreeBench) -> Iterator[str]:
    """Two entries, and NULL from inside the upper one to the end."""
    yield bench.store(367, 400, 1)
    yield bench.store(11, 28, 2)
    yield bench.store(305, TOP, 0)


REGRESSION = Regression(
    name="stale-node-copy",
    title="stale slots behind the data end of a leaf, read as data much later",
    source="Hugh Dickins and Liam Howlett, July 2022, item 6; folded into 54a611b60590 (v11)",
    versions="maple tree v10 (linux-next, July 2022)",
    layer="maple",
    mechanism=(
        "A store that rebuilds a leaf copies what lies in front of the entry, the entry, and what "
        "lies behind it. When the entry ends where the leaf ends there is nothing behind it, but "
        "the old slots were copied all the same, behind the new end. Nobody looks there: the data "
        "end stands in the metadata. Only when the stale pivots reach the last pivot of the node "
        "does the kernel take the leaf for full: the data end is then 14 or 15, the stale slots "
        "are data, a VMA is found twice, and a later split or merge of the leaf carries it to "
        "wherever it falls. The next rebuild of the leaf may as well wipe every trace. In 2022 a "
        "compiler's munmap met the wrong VMA many calls later. (Which slots v10 copied is "
        "reconstructed from that thread: those from the one in front of the write on.)"
    ),
    trigger=(
        "a store into a nearly full leaf that ends at the leaf's max: a split of its last area, or "
        "a merge at its end; then more stores there"
    ),
    invariants=("MT-09",),
    overrides=lambda profile: StaleNodeCopy,
    story=story,
    tree_flags=3,
    at_random=3,
)
