"""``munmap-error-lost``: a munmap that failed half way goes on."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.machine.failslab import FailSlab
from mmtwin.maple.state import MaState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import READ, SpaceBench
from mmtwin.space.munmap import Detach
from mmtwin.space.space import Space


class MunmapErrorLost(Space):
    """``do_vmi_align_munmap`` returning success after a failed gathering."""

    def munmap_gather(self, mas: MaState, detach: Detach, mm: int, start: int, end: int) -> int:
        """Gather the areas, as many as come."""
        super().munmap_gather(mas, detach, mm, start, end)
        return 0


def story(bench: SpaceBench) -> Iterator[str]:
    """The last area of the range cannot be split."""
    yield bench.map(0, 4)
    yield bench.map(4, 8, READ)
    bench.fail(FailSlab("vm_area_struct", times=1))
    yield bench.unmap(0, 6)


REGRESSION = Regression(
    name="munmap-error-lost",
    title="a munmap without memory clears the tree over areas that stay",
    source="commit 6c26bd4384da",
    versions="6.3 to 6.5-rc, 6.1.37; fixed in 6.5 and 6.3.11",
    layer="space",
    mechanism=(
        "When the gathering of areas failed, the error was lost on the way out, and the caller "
        "took the range for unmapped. Here the tree is cleared over the whole range while the area "
        "that could not be split is still there: its VMA says one thing, the tree another."
    ),
    trigger="munmap that has to split its last area, while memory for that fails",
    invariants=("VM-01",),
    overrides=lambda profile: MunmapErrorLost,
    story=story,
    at_random=174,
)
