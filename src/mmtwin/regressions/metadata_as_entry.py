"""``metadata-as-entry``: the metadata word of a leaf returned as an entry."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import TreeBench


class MetadataAsEntry(Maple):
    """``mas_next_nentry`` without the look at the data end."""

    def mas_next_nentry(self, mas: MaState, node: int, max: int, type: int) -> int:
        """Step to the next slot of a full node, be it the metadata's."""
        last = self.mt_slots(type) - 1
        if mas.offset == last and self.mas_data_end(mas) == last - 1 and mas.last == mas.max:
            word = self.slot(node, type, last)
            if word:
                return word
        return super().mas_next_nentry(mas, node, max, type)


def story(bench: TreeBench) -> Iterator[str]:
    """Fourteen entries and the NULL behind them: one leaf with slots 0 to 14 in use."""
    for index in range(14):
        yield bench.store(index, index, index + 1)


REGRESSION = Regression(
    name="metadata-as-entry",
    title="mas_next returns the metadata of a leaf as a VMA",
    source="Heiko Carstens and Liam Howlett, May 2022: s390, next-20220510",
    versions="maple tree v7 to v9 (linux-next, May 2022)",
    layer="maple",
    mechanism=(
        "The last slot of a leaf holds the node's metadata while the leaf is not full: the data "
        "end and the slot of the largest gap, one byte each. Standing on slot 14, the last one in "
        "use, mas_next compared the next slot's number with the number of slots, not with the "
        "data end, and read slot 15. On a big-endian machine the word is 0x0e00000000000000, and "
        "the kernel faulted at that address when it took it for a VMA; on a little-endian one it "
        "is 0xe."
    ),
    trigger="a leaf with 15 slots in use that ends the tree; walk to its last entry, then mas_next",
    invariants=("MT-25",),
    overrides=lambda profile: MetadataAsEntry,
    story=story,
)
