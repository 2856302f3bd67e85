"""``brk-rmap-stale``: the heap grows, and reverse mapping goes on seeing its old end."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple.state import MaState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import BASE, PAGE, SpaceBench
from mmtwin.space.space import Space


class BrkRmapStale(Space):
    """``do_brk_flags`` that moves the end of an area without its links in the interval tree."""

    def brk_extend(self, mas: MaState, vma: int, end: int) -> int:
        """Move the heap's end up, in the VMA and the maple tree."""
        layout = self.layouts.vm_area_struct
        mas.set_range(self.memory.load(vma + layout.offset("vm_start")), end - 1)
        if self.maple.mas_preallocate(mas, vma, GFP_KERNEL):
            return -12
        self.memory.store(vma + layout.offset("vm_end"), end)
        self.maple.mas_store_prealloc(mas, vma)
        return 0


def story(bench: SpaceBench) -> Iterator[str]:
    """A heap that has been written to grows."""
    view = bench.space.view("mm_struct", bench.mm)
    view.start_brk = view.brk = BASE
    yield bench.brk(BASE + 4 * PAGE)
    yield bench.write(0, 4)
    yield bench.brk(BASE + 8 * PAGE)


REGRESSION = Regression(
    name="brk-rmap-stale",
    title="reverse mapping goes on seeing a heap at its old size",
    source="the brk of the maple tree series, mail of July 2022, where rmap comes in with item 1",
    versions="do_brk_flags without anon_vma_interval_tree_pre_update_vma",
    layer="space",
    mechanism=(
        "Pages of an anon_vma are found through an interval tree of its VMAs, keyed by their page "
        "offsets. A VMA is taken out before its end moves and put back under the new key. brk "
        "extends an area by itself, apart from mmap's merging, and must do the same: without it "
        "rmap walks see the heap at its old size, and pages of the new part can neither be "
        "unmapped by reclaim nor migrated, nor made read-only for all that share them."
    ),
    trigger="write to the heap, then let it grow by brk",
    invariants=("VM-23",),
    overrides=lambda profile: BrkRmapStale,
    story=story,
    at_random=215,
)
