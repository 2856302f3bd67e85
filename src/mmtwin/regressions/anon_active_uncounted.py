"""``anon-active-uncounted``: a split area does not count as a user of its anon_vma."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import READ, SpaceBench
from mmtwin.space.space import Space

NUM_ACTIVE_VMAS = 64


class AnonActiveUncounted(Space):
    """``anon_vma_clone`` that does not keep the number of owners."""

    def anon_vma_clone(self, dst: int, src: int) -> int:
        """Link ``dst`` to every anon_vma of ``src``."""
        owned = self.memory.load(dst + self.layouts.vm_area_struct.offset("anon_vma"))
        error = super().anon_vma_clone(dst, src)
        if error == 0 and owned:
            at = owned + NUM_ACTIVE_VMAS
            self.memory.store(at, self.memory.load(at) - 1)
        return error


def story(bench: SpaceBench) -> Iterator[str]:
    """A written area is split."""
    yield bench.map(0, 4)
    yield bench.write(0, 4)
    yield bench.protect(2, 4, READ)


REGRESSION = Regression(
    name="anon-active-uncounted",
    title="an anon_vma in use is taken for free to be reused",
    source="commit 2555283eb40d (CVE-2022-42703)",
    versions="3.19 to 5.19; fixed in 6.0",
    layer="space",
    mechanism=(
        "A forked area may reuse an anon_vma of its ancestors that no area owns any more and that "
        "has at most one child. One number counted children and owners together, so an area that "
        "got its anon_vma by a split or a merge was not seen, an anon_vma in use was reused, and "
        "freed while pages still pointed at it. Here: the copy of an area does not count as an "
        "owner."
    ),
    trigger="split an area that was written to",
    invariants=("VM-25",),
    overrides=lambda profile: AnonActiveUncounted,
    story=story,
    at_random=19,
)
