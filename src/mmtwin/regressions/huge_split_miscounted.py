"""``huge-split-miscounted``: splitting a huge page of shared memory counts as a file's."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import BASE, PAGE, SpaceBench
from mmtwin.space import flags
from mmtwin.space.pte_bits import MM_FILEPAGES, MM_SHMEMPAGES
from mmtwin.space.space import Space

HUGE = 512


class HugeSplitMiscounted(Space):
    """``__split_huge_pmd_locked`` before shared memory had a counter of its own."""

    def zap_file_pmd(self, vma: int, pmd: int, split: bool) -> None:
        """Take the entry away; a split takes its pages from those of files."""
        super().zap_file_pmd(vma, pmd, split)
        if split:
            mm = self.view("vm_area_struct", vma).get("vm_mm")
            self.add_mm_counter(mm, MM_SHMEMPAGES, HUGE)
            self.add_mm_counter(mm, MM_FILEPAGES, -HUGE)


def story(bench: SpaceBench) -> Iterator[str]:
    """A page in the middle of a huge one is unmapped."""
    space = bench.space
    shared = flags.MAP_SHARED | flags.MAP_ANONYMOUS | flags.MAP_FIXED
    space.sys_mmap(bench.mm, BASE, HUGE * PAGE, 3, shared, 0, 0)
    yield "mmap 512 shared pages"
    yield bench.write(0, 1)
    space.sys_madvise(bench.mm, BASE, HUGE * PAGE, flags.MADV_COLLAPSE)
    yield "MADV_COLLAPSE of them"
    yield bench.unmap(7, 8)


REGRESSION = Regression(
    name="huge-split-miscounted",
    title="Bad rss-counter state: a split of shared memory's huge page counts among files",
    source='"thp: use mm_file_counter to determine update which rss counter", Yang Shi, April 2018',
    versions="4.8 to 4.16",
    layer="space",
    mechanism=(
        "Resident pages of shared memory have had a counter of their own since 4.5, huge ones "
        "since 4.8. Mapping one counted there, as did unmapping it whole; where the pmd entry had "
        "to be split, its pages were taken from the counter of files. One counter stays too high, "
        "the other falls below zero, and the end of the process says so."
    ),
    trigger="unmap or protect a part of a huge page of shared memory",
    invariants=("VM-38",),
    overrides=lambda profile: HugeSplitMiscounted,
    story=story,
)
