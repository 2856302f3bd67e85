"""``segment-unheard``: a merge removes an attachment of a segment, and nobody tells the segment."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.machine.profile import Profile
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import BASE, PAGE, READ, RW, NotThere, SpaceBench
from mmtwin.space.v6_18.merge import VmaMerge
from mmtwin.space.v6_18.space import Space618


class SegmentUnheard(Space618):
    """``vma_merge`` that asks the area above for a close(), not the one that is changed."""

    def vma_merge_existing_range(self, vmg: VmaMerge) -> int:
        """Merge as if what is changed were of a file like others."""
        middle = self.view("vm_area_struct", vmg.middle)
        operations = middle.get("vm_ops")
        if operations == self.shm_vm_ops:
            middle.put("vm_ops", self.shmem_vm_ops)
        merged = super().vma_merge_existing_range(vmg)
        if not (merged and vmg.remove_middle):
            middle.put("vm_ops", operations)
        return merged


def override(profile: Profile) -> type:
    """Before 6.4 an area with a close() merged with nothing."""
    return SegmentUnheard if profile.since(6, 12) else NotThere


def story(bench: SpaceBench) -> Iterator[str]:
    """A segment is attached, split in two by its protection, and made one again."""
    space = bench.space
    space.shm_create(bench.mm, 1, 0, 4 * PAGE)
    space.sys_shmat(bench.mm, 1, BASE, 0)
    yield "attach a segment of 4 pages"
    yield bench.protect(2, 4, READ)
    yield bench.protect(2, 4, RW)


REGRESSION = Regression(
    name="segment-unheard",
    title="a System V segment counts attachments that a merge has removed",
    source="commit fc0c8f9089c2",
    versions="6.4 to 6.7 (from 714965ca8252); fixed in 6.8",
    layer="space",
    mechanism=(
        "An area whose driver wants to hear of its end must not vanish in a merge. Up to 6.3 it "
        "merged with nothing; since then only its removal is forbidden. The case in which the area "
        "that changes is swallowed by the one below was left out of the check: its close() was "
        "never called, the segment's count of attachments stayed too high, and a segment marked "
        "for removal was never freed."
    ),
    trigger="attach a segment, give its upper half another protection and then the old one again",
    invariants=("VM-55",),
    overrides=override,
    story=story,
    kernel="6.18",
)
