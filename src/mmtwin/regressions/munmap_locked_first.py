"""``munmap-locked-first``: the first area decides whether all are counted as locked."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.maple.state import MaState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import READ, SpaceBench
from mmtwin.space import flags as c
from mmtwin.space.munmap import Detach
from mmtwin.space.space import Space


class MunmapLockedFirst(Space):
    """``do_vmi_align_munmap`` asking the wrong area for VM_LOCKED."""

    def munmap_gather(self, mas: MaState, detach: Detach, mm: int, start: int, end: int) -> int:
        """Gather the areas; what the first one is, all are."""
        first = self.vma_lookup(mm, start)
        error = super().munmap_gather(mas, detach, mm, start, end)
        at = self.layouts.vm_area_struct.offset("vm_flags")
        locked = first and self.memory.load(first + at) & c.VM_LOCKED
        detach.locked_vm = (end - start) >> c.PAGE_SHIFT if locked else 0
        return error


def story(bench: SpaceBench) -> Iterator[str]:
    """A locked area and one that is not go together."""
    yield bench.map(0, 2)
    yield bench.lock(0, 2)
    yield bench.map(2, 4, READ)
    yield bench.unmap(0, 4)


REGRESSION = Regression(
    name="munmap-locked-first",
    title="locked_vm miscounted when munmap takes several areas",
    source='"mm/mmap: Fix VM_LOCKED check in do_vmi_align_munmap()"',
    versions="6.1.37, 6.5-rc; fixed in 6.1.38 and 6.5",
    layer="space",
    mechanism=(
        "The loop over the areas to unmap counted the pages of each if the first one was locked. "
        "With areas of both kinds in one range locked_vm came out too low, below zero as an "
        "unsigned number, or too high."
    ),
    trigger="munmap of a locked area and one that is not, in one call",
    invariants=("VM-09",),
    overrides=lambda profile: MunmapLockedFirst,
    story=story,
    at_random=57,
)
