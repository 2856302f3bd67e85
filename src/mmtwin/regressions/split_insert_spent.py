"""``split-insert-spent``: a split clears the piece that it is about to insert."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.maple.state import MaState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import READ, SpaceBench
from mmtwin.space.adjust import VmaAdjust
from mmtwin.space.space import Space


class SplitInsertSpent(Space):
    """``__vma_adjust`` that clears what ``vma`` loses, the insert's range as well."""

    def vma_adjust_store(self, mas: MaState, plan: VmaAdjust) -> None:
        """Spend the preallocation on a NULL store; the insert comes after it."""
        if not plan.insert:
            super().vma_adjust_store(mas, plan)
            return
        layout = self.layouts.vm_area_struct
        first = self.memory.load(plan.insert + layout.offset("vm_start"))
        end = self.memory.load(plan.insert + layout.offset("vm_end"))
        self.vma_mas_szero(mas, first, end)
        for name, value in (("vm_start", plan.start), ("vm_end", plan.end)):
            self.memory.store(plan.vma + layout.offset(name), value)
        self.memory.store(plan.vma + layout.offset("vm_pgoff"), plan.pgoff)


def story(bench: SpaceBench) -> Iterator[str]:
    """The last page of a three-page area changes, as a compiler's munmap leaves it."""
    yield bench.map(0, 3)
    yield bench.map(10, 12)
    yield bench.protect(2, 3, READ)


REGRESSION = Regression(
    name="split-insert-spent",
    title="a split whose second store has no nodes left",
    source="Hugh Dickins, July 2022, item 5: the insert cases of __split_vma",
    versions="__vma_adjust without the look at insert that 6.1 has when it clears a lost part",
    layer="space",
    mechanism=(
        "mas_store_prealloc destroys what its store left of the preallocation, so only the first "
        "store in __vma_adjust may need nodes. Told that one store each was enough, Hugh Dickins "
        "named the insert cases: a split shortens one VMA and stores another. They are safe only "
        "because the part that is lost is not cleared when the insert covers it: the new VMA's "
        "store is then the first, or replaces an exact range. Cleared first, the part joins the "
        "hole behind it, and the insert must cut that hole in two, for which it needs a node, "
        "under locks where none can be waited for."
    ),
    trigger="split an area so that the new piece borders on a hole",
    invariants=("MT-27",),
    overrides=lambda profile: SplitInsertSpent,
    story=story,
    at_random=16,
)
