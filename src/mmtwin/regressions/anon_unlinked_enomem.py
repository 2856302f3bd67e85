"""``anon-unlinked-enomem``: a merge that fails takes an area's anon_vma away."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.machine.failslab import FailSlab
from mmtwin.machine.profile import Profile
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import READ, RW, SpaceBench
from mmtwin.space.adjust import VmaAdjust
from mmtwin.space.space import Space
from mmtwin.space.v6_18 import Space618
from mmtwin.space.v6_18.merge import VmaMerge


class AnonUnlinkedEnomem(Space):
    """``__vma_adjust`` of linux-next, July 2022: no flag tells whether anything was cloned."""

    def vma_adjust_undo_anon(self, plan: VmaAdjust) -> None:
        """Unlink the importer, whoever gave it its anon_vma."""
        at = self.layouts.vm_area_struct.offset("anon_vma")
        if plan.exporter and self.memory.load(plan.exporter + at):
            self.unlink_anon_vmas(plan.importer)


class AnonUnlinkedEnomem618(Space618):
    """The same in ``commit_merge``: what fails there unlinks the target."""

    def commit_merge(self, vmg: VmaMerge) -> int:
        """Unlink the target's anon_vmas when no nodes can be had."""
        error = super().commit_merge(vmg)
        at = self.layouts.vm_area_struct.offset("anon_vma")
        if error and self.memory.load(vmg.target + at):
            self.unlink_anon_vmas(vmg.target)
        return error


def _override(profile: Profile) -> type:
    return AnonUnlinkedEnomem618 if profile.since(6, 12) else AnonUnlinkedEnomem


def story(bench: SpaceBench) -> Iterator[str]:
    """A written area is cut in two; memory runs out as the halves become one again."""
    yield bench.map(0, 6)
    yield bench.write(0, 6)
    yield bench.protect(3, 6, READ)
    bench.fail(FailSlab("maple_node", times=1))
    yield bench.protect(3, 6, RW)


REGRESSION = Regression(
    name="anon-unlinked-enomem",
    title="a failed preallocation unlinks an anon_vma that was there before",
    source="Hugh Dickins, July 2022, item 4; 824135c46b00 (6.6)",
    versions="linux-next, July 2022",
    layer="space",
    mechanism=(
        "A merge may hand one area the anon_vma of another before it asks for tree nodes. When "
        "those cannot be had the loan is taken back by unlink_anon_vmas; vma_expand remembered "
        "whether there had been a loan, __vma_adjust did not, and unlinked an importer that had "
        "its own anon_vma and pages long before. The pages stay mapped, but reverse mapping finds "
        "them no more, and their anon_vma may be freed while page->mapping still points at it. "
        "Hugh Dickins' advice was to leave such an unlikely loan alone; kernels since remember it."
    ),
    trigger="merge two areas that have pages already, while the nodes of the merge cannot be had",
    invariants=("VM-40",),
    overrides=_override,
    story=story,
    at_random=7_501,
)
