"""``brk-no-area``: shrinking a heap that is no longer there is a BUG."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.machine.bug import KernelBug
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import BASE, PAGE, SpaceBench
from mmtwin.space.space import Space


class BrkNoArea(Space):
    """``brk`` asserting that there is a heap."""

    def brk_shrink(self, mm: int, brk: int, newbrk: int, oldbrk: int) -> bool:
        """Unmap the top of the heap, which must be there."""
        if not self.find_vma_intersection(mm, newbrk, oldbrk):
            raise KernelBug("!brkvma", "brk")
        return super().brk_shrink(mm, brk, newbrk, oldbrk)


def story(bench: SpaceBench) -> Iterator[str]:
    """The heap is unmapped, then the break is lowered."""
    view = bench.space.view("mm_struct", bench.mm)
    view.start_brk = BASE
    view.brk = BASE
    yield bench.brk(BASE + 4 * PAGE)
    yield bench.unmap(0, 4)
    yield bench.brk(BASE + PAGE)


REGRESSION = Regression(
    name="brk-no-area",
    title="BUG when brk shrinks a heap that munmap took away",
    source="commit f5ad5083404b",
    versions="6.1-rc1 to 6.1-rc8",
    layer="space",
    mechanism=(
        "The rewrite of brk for the maple tree looked up the area below the old break and asserted "
        "that it found one. A program may well unmap its heap and lower the break afterwards."
    ),
    trigger="grow the heap with brk, munmap it, lower the break",
    invariants=("BUG",),
    overrides=lambda profile: BrkNoArea,
    story=story,
    at_random=315,
)
