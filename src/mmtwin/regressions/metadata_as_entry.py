"""``metadata-as-entry``: the metadata word of a leaf returned as an entry."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.data import recorded_upgrade
from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState
from mmtwin.regressions.program import ProgramBench
from mmtwin.regressions.regression import Regression


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


def story(bench: ProgramBench) -> Iterator[str]:
    """The s390 program of the thread, recorded, in a process whose last leaf is full to slot 14."""
    yield from bench.play()


REGRESSION = Regression(
    name="metadata-as-entry",
    title="mas_next returns the metadata of a leaf as a VMA",
    source="Sven Schnelle, Heiko Carstens and Liam Howlett, May 2022: s390, next-20220510",
    versions="maple tree v7 to v9 (linux-next, May 2022)",
    layer="maple",
    mechanism=(
        "The last slot of a leaf holds the node's metadata while the leaf is not full: the data "
        "end and the slot of the largest gap, one byte each. Standing on slot 14, the last one in "
        "use, mas_next compared the next slot's number with the number of slots, not with the "
        "data end, and read slot 15. On a big-endian machine the word is 0x0e00000000000000, and "
        "the kernel faulted at that address when it took it for a VMA; on a little-endian one it "
        "is 0xe. The thread's program forks, and its child maps memory at 1 << 54, above all that "
        "it has: mmap_region asks what comes next, stands on slot 14, and compares the end of the "
        "new memory with vm_start of 0x0e00000000000000. Page tables have no part in it but that "
        "they make the address possible; what matters is that the process has as many areas and "
        "holes as fill the last leaf up to slot 14, a reason why others could not reproduce it. "
        "(The program told here maps one file more than the thread's, to have them.)"
    ),
    trigger=(
        "a last leaf with 15 slots in use, then mmap above every area: on s390 at 1 << 54; mmtwin "
        "replay of the bundled pt-upgrade.jsonl, profile 5.18-rc6, shows the oops itself"
    ),
    invariants=("MT-25",),
    overrides=lambda profile: MetadataAsEntry,
    story=story,
    kernel="5.18-rc6",
    program=recorded_upgrade(),
    at_random=2_720,
)
