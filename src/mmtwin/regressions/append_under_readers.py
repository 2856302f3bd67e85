"""``append-under-readers``: a leaf grows in place while readers may be in it."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.maple.state import WrState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import TreeBench


class AppendUnderReaders(Maple):
    """``mas_wr_append`` in RCU mode too."""

    def mas_wr_append(self, wr: WrState) -> bool:
        """Cut the last slot in two in place, whoever may be reading it."""
        mas = wr.mas
        behind = mas.index != wr.r_min and mas.last == wr.r_max
        before = mas.index == wr.r_min and mas.last < wr.r_max
        if behind or before:
            self.mas_wr_typed_append(wr, wr.node_end + 1)
        return behind or before


class AppendUnderReaders618(Maple):
    """The store type of 6.12 and later, deciding for an append in RCU mode too."""

    def mas_wr_store_type(self, wr: WrState) -> int:
        """Say of which kind the store is, as if there were no readers."""
        tree = wr.mas.tree
        readers = self.mt_in_rcu(tree)
        kind = super().mas_wr_store_type(wr)
        if readers and kind == 8 and wr.mas.offset == wr.node_end:
            return 7
        return kind


def _override(profile: Profile) -> type:
    return AppendUnderReaders618 if profile.since(6, 12) else AppendUnderReaders


def story(bench: TreeBench) -> Iterator[str]:
    """Ascending stores: each cuts the NULL at the end of the leaf."""
    for first in range(10, 100, 10):
        yield bench.store(first, first + 9, first)


REGRESSION = Regression(
    name="append-under-readers",
    title="an append changes a leaf in place under its readers",
    source="commit cfeb6ae8bcb9",
    versions="6.1.24 to 6.1.49, up to 6.4; fixed in 6.5",
    layer="maple",
    mechanism=(
        "In RCU mode readers walk nodes without a lock, so a store must not change the shape of a "
        "node that they may stand in. A store into the last slot of a leaf was appended in place "
        "all the same: it moves the data end and writes a slot and two pivots one after the other. "
        "A reader that had read the old end, or reads between two of the stores, sees a slot that "
        "is half there."
    ),
    trigger="in RCU mode, a store that cuts the last slot of a leaf that is not full",
    invariants=("MT-29",),
    overrides=_override,
    story=story,
    tree_flags=3,
    at_random=1_016,
)
