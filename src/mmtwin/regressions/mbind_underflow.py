"""``mbind-underflow``: a policy for memory that begins at address 0 reaches the stack."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.maple.state import MaState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import PAGE, RW, SpaceBench
from mmtwin.space import flags as c
from mmtwin.space.space import Space

TOP = (1 << 64) - 1
BIND = 2


class MbindUnderflow(Space):
    """``mbind_range`` that looks for the first area from the byte before the range."""

    def mbind_ranges(self, mm: int, start: int, end: int, policy: int) -> int:
        """Search back from ``start - 1``, which for 0 is the last address of all."""
        mas = MaState(mm + self.layouts.mm_struct.offset("mm_mt"), (start - 1) & TOP)
        before = self.maple.mas_walk(mas) or self.maple.mas_prev(mas, 0)
        if start or not before:
            return super().mbind_ranges(mm, start, end, policy)
        area = self.view("vm_area_struct", before)
        first = max(start, area.get("vm_start"))
        self.mbind_range(mm, before, before, first, min(end, area.get("vm_end")), policy)
        return 0


def story(bench: SpaceBench) -> Iterator[str]:
    """Memory at address 0, and further up; a policy for the first."""
    fixed = c.MAP_PRIVATE | c.MAP_ANONYMOUS | c.MAP_FIXED
    bench.space.sys_mmap(bench.mm, 0, 2 * PAGE, RW, fixed, 0, 0)
    yield "mmap pages at address 0"
    yield bench.map(0, 4)
    bench.space.sys_mbind(bench.mm, 0, 2 * PAGE, BIND, 1, 64, 0, 1)
    yield "mbind of the pages at address 0"


REGRESSION = Regression(
    name="mbind-underflow",
    title="mbind at address 0 takes hold of the uppermost area and loses others",
    source="commit 7329e3ebe359",
    versions="6.1-rc (from 66850be55e8e); fixed before 6.1",
    layer="space",
    mechanism=(
        "To find the area before the range, mbind_range searched backwards from the byte below "
        "it. For a range that begins at 0 that is the last byte of the address space, so the "
        "search gave the uppermost area, and the range handed to vma_merge ended before it began. "
        "Areas vanished from the tree; a fuzzer met the BUG_ON on map_count at exit. vma_merge has "
        "since warned of such a range."
    ),
    trigger="mbind of a range that begins at address 0",
    invariants=("BUG",),
    overrides=lambda profile: MbindUnderflow,
    story=story,
)
