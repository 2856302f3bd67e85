"""``munmap-locked-early``: a munmap that fails has lowered locked_vm."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.machine.failslab import FailSlab
from mmtwin.maple.state import MaState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import READ, SpaceBench
from mmtwin.space.munmap import Detach
from mmtwin.space.space import Space


class MunmapLockedEarly(Space):
    """``do_mas_align_munmap`` that lowers locked_vm while it gathers."""

    def munmap_gather(self, mas: MaState, detach: Detach, mm: int, start: int, end: int) -> int:
        """Gather the areas; the count of locked pages goes down at once."""
        error = super().munmap_gather(mas, detach, mm, start, end)
        if error:
            at = mm + self.layouts.mm_struct.offset("locked_vm")
            self.memory.store(at, self.memory.load(at) - detach.locked_vm)
        return error


def story(bench: SpaceBench) -> Iterator[str]:
    """A locked area is gathered, then the split of the next one fails."""
    yield bench.map(0, 4)
    yield bench.lock(0, 4)
    yield bench.map(4, 8, READ)
    bench.fail(FailSlab("vm_area_struct", times=1))
    yield bench.unmap(0, 6)


REGRESSION = Regression(
    name="munmap-locked-early",
    title="locked_vm is too low after a munmap that failed",
    source="commits 606c812eb1d5 and 6c26bd4384da",
    versions="6.1.0 to 6.1.36; fixed in 6.5",
    layer="space",
    mechanism=(
        "munmap first gathers the areas of its range, splitting the first and the last, and only "
        "then changes anything that others see. The pages of locked areas were taken off locked_vm "
        "while gathering. When a later split failed the areas stayed, locked and uncounted."
    ),
    trigger="munmap of a locked area and part of the next one, while memory for the split fails",
    invariants=("VM-09",),
    overrides=lambda profile: MunmapLockedEarly,
    story=story,
    at_random=18_990,
)
