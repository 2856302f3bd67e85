"""``prealloc-spent``: two stores on one preallocation."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.machine.profile import Profile
from mmtwin.maple.state import MaState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import READ, SpaceBench
from mmtwin.space.adjust import VmaAdjust
from mmtwin.space.space import Space
from mmtwin.space.v6_18.merge import VmaMerge
from mmtwin.space.v6_18.space import Space618


class PreallocSpent(Space):
    """``__vma_adjust`` of 6.1.0 to 6.1.38: case 4 clears the lost tail first."""

    def vma_adjust_store(self, mas: MaState, plan: VmaAdjust) -> None:
        """Clear what ``vma`` loses although ``next`` is about to be stored over it."""
        end = self.memory.load(plan.vma + self.layouts.vm_area_struct.offset("vm_end"))
        if plan.adjust_down and not plan.insert and plan.end < end:
            self.vma_mas_szero(mas, plan.end, end)
            mas.reset()
        super().vma_adjust_store(mas, plan)


class PreallocSpent618(Space618):
    """``commit_merge`` with a store in front of the one that it needs."""

    def commit_preallocate(self, mas: MaState, vmg: VmaMerge) -> int:
        """Nodes for the store that comes first."""
        return self.maple.mas_preallocate(mas, 0, GFP_KERNEL)

    def commit_store(self, mas: MaState, vmg: VmaMerge) -> None:
        """Clear the range first, from the nodes set aside; then store the target over it."""
        first, last = mas.index, mas.last
        self.maple.mas_store_prealloc(mas, 0)
        mas.set_range(first, last)
        super().commit_store(mas, vmg)


def _override(profile: Profile) -> type:
    return PreallocSpent618 if profile.since(6, 12) else PreallocSpent


def story(bench: SpaceBench) -> Iterator[str]:
    """Two areas side by side; the tail of the lower one becomes like the upper one."""
    yield bench.map(0, 12)
    yield bench.protect(8, 12, READ)
    yield bench.protect(6, 8, READ)


REGRESSION = Regression(
    name="prealloc-spent",
    title="a merge that stores twice on one preallocation",
    source=(
        "John Hsu, July 2023: BUG_ON in mas_store_prealloc when low memory; a02c6dc0eff2 "
        '("mm/mmap: Fix extra maple tree write", 6.1.39); foreseen in July 2022, item 5'
    ),
    versions="6.1.0 to 6.1.38; gone upstream with 0503ea8f5ba7 (6.3)",
    layer="space",
    mechanism=(
        "mas_preallocate sets nodes aside for one store, and mas_store_prealloc gives back what "
        "that store did not need. When mprotect moves the border between two VMAs upwards into "
        "the lower one (case 4), __vma_adjust first stored NULL over the tail that the lower VMA "
        "loses, and then the upper VMA over its new range, which covers that tail anyway. The "
        "first store spent the preallocation; the second had to ask for a node under the rmap "
        "locks, with GFP_NOWAIT. With free memory that goes unnoticed. When it fails there is no "
        "error to return, and BUG_ON(mas_is_err(mas)) fires. In 6.18 the same is done to "
        "commit_merge, for merges of every kind."
    ),
    trigger=(
        "two adjacent areas that differ in protection, mprotect of the lower one's tail to the "
        "upper one's protection; for the BUG let GFP_NOWAIT allocations of nodes fail"
    ),
    invariants=("MT-27",),
    overrides=_override,
    story=story,
    at_random=186,
)
