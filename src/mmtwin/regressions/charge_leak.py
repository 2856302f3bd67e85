"""``charge-leak``: a mapping that failed stays charged."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.machine.failslab import FailSlab
from mmtwin.maple.state import MaState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import SpaceBench
from mmtwin.space import flags as c
from mmtwin.space.space import Space

ERRORS = (1 << 64) - 4095


class ChargeLeak(Space):
    """``mmap_region`` that forgets the charge on an error path."""

    def mmap_new_vma(
        self,
        mas: MaState,
        mm: int,
        prev: int,
        file: int,
        addr: int,
        end: int,
        vm_flags: int,
        pgoff: int,
    ) -> int:
        """A new area; without memory for it the charge is not given back."""
        vma = super().mmap_new_vma(mas, mm, prev, file, addr, end, vm_flags, pgoff)
        if vma >= ERRORS and vm_flags & c.VM_ACCOUNT:
            at = self.sysctl + self.layouts.sysctl.offset("vm_committed_as")
            self.memory.store(at, self.memory.load(at) + ((end - addr) >> c.PAGE_SHIFT))
        return vma


def story(bench: SpaceBench) -> Iterator[str]:
    """No memory for a VMA."""
    yield bench.map(0, 1)
    bench.fail(FailSlab("vm_area_struct", times=1))
    yield bench.map(4, 8)


REGRESSION = Regression(
    name="charge-leak",
    title="a failed mmap leaves its pages charged for ever",
    source='"mm/vma: don\'t leak commit charge on mmap failure"',
    versions="6.12 to 7.3; fixed in 7.3.4",
    layer="space",
    mechanism=(
        "Private writable memory is charged before the area is made. On one way out of a failure "
        "the charge was not given back. Under strict overcommit the machine refuses memory that it "
        "has, a little more with every failure."
    ),
    trigger="mmap of private writable memory while the VMA cannot be allocated",
    invariants=("VM-33",),
    overrides=lambda profile: ChargeLeak,
    story=story,
    at_random=827,
)
