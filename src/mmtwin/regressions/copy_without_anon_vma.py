"""``copy-without-anon-vma``: pages are moved to an area that reverse mapping does not know."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.machine.profile import Profile
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import NotThere, SpaceBench
from mmtwin.space import flags as c
from mmtwin.space.v6_18.merge import VmaMerge
from mmtwin.space.v6_18.space import Space618


class CopyWithoutAnonVma(Space618):
    """``vma_expand`` that thinks of an area which goes, not of one that is copied."""

    def vmg_expand(self, vmg: VmaMerge) -> int:
        """Grow the target; it shares the anon_vma of ``next`` only."""
        vmg.copied_from = 0
        return super().vmg_expand(vmg)


def override(profile: Profile) -> type:
    """The engine of mm/vma.c has it."""
    return CopyWithoutAnonVma if profile.since(6, 12) else NotThere


def story(bench: SpaceBench) -> Iterator[str]:
    """A written area moves back below memory that was mapped meanwhile and never written."""
    yield bench.map(0, 2)
    yield bench.write(0, 2)
    yield bench.remap(0, 2, 16)
    yield bench.map(2, 4)
    yield bench.remap(16, 18, 0, c.MREMAP_DONTUNMAP)


REGRESSION = Regression(
    name="copy-without-anon-vma",
    title="mremap moves pages into an area without an anon_vma, which outlives its own",
    source="commit 61f67c230a5e",
    versions="6.16 to 6.18.2; fixed in 6.19-rc and 6.18.y",
    layer="space",
    mechanism=(
        "Since 6.16 a written area may join one that was never written, which then shares its "
        "anon_vma. Where mremap's copy of an area joined the area above its new place, the code "
        "looked for an anon_vma to share in the neighbour only, not in the source. The pages came "
        "to lie in an area that has none; when the source went, its anon_vma was freed, and the "
        "pages still pointed to it: a use after free at the next walk of the reverse mapping."
    ),
    trigger="mremap a written area to directly below never-written memory that continues it",
    invariants=("VM-40",),
    overrides=override,
    story=story,
    kernel="6.18",
    at_random=16_467,
)
