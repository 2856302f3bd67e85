"""``anon-dup-reversed``: of two areas the wrong one gets the other's anon_vma."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.machine.profile import Profile
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import BASE, PAGE, NotThere, SpaceBench
from mmtwin.space import flags as c
from mmtwin.space.v6_18.space import Space618


class AnonDupReversed(Space618):
    """``vma_merge`` case 4 with the two areas of dup_anon_vma exchanged."""

    def vmg_dup_anon_vma(self, dst: int, src: int) -> int:
        """Where an area grows downwards, its own anon_vma is offered to the one that shrinks."""
        if self.memory.load(dst) > self.memory.load(src):
            dst, src = src, dst
        return super().vmg_dup_anon_vma(dst, src)


def override(profile: Profile) -> type:
    """The case needs that a written area may join one that never was."""
    return AnonDupReversed if profile.since(6, 12) else NotThere


def story(bench: SpaceBench) -> Iterator[str]:
    """The upper half of a written area joins the area above, which never was written."""
    advise = bench.space.sys_madvise
    yield bench.map(0, 6)
    advise(bench.mm, BASE + 4 * PAGE, 2 * PAGE, c.MADV_RANDOM)
    yield "advise pages 4..6"
    yield bench.write(0, 4)
    advise(bench.mm, BASE + 2 * PAGE, 2 * PAGE, c.MADV_RANDOM)
    yield "advise pages 2..4"


REGRESSION = Regression(
    name="anon-dup-reversed",
    title="an area takes over pages and gets no anon_vma, as it was given to the other",
    source="commit 4c6759967826",
    versions="6.3-rc (from 0503ea8f5ba7); told on the engine of 6.18",
    layer="space",
    mechanism=(
        "When __vma_adjust was taken apart, the case in which an area shrinks at its end and the "
        "one above grows down over what it loses called dup_anon_vma with the two exchanged. The "
        "area that shrank kept its anon_vma, the one that grew had none: its new pages pointed to "
        "an anon_vma that no link of their area leads to, and that was freed before them."
    ),
    trigger="change the end of a written area so that it joins a never-written one above",
    invariants=("VM-40",),
    overrides=override,
    story=story,
    kernel="6.18",
    at_random=4_070,
)
