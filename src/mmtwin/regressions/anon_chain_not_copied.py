"""``anon-chain-not-copied``: an area takes over pages without the links to find them by."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import READ, RW, SpaceBench
from mmtwin.space.space import Space


class AnonChainNotCopied(Space):
    """``__vma_adjust`` setting the importer's anon_vma and nothing else."""

    def dup_anon_vma(self, dst: int, src: int) -> int:
        """Let a clean ``dst`` share the anon_vma of ``src``."""
        at = self.layouts.vm_area_struct.offset("anon_vma")
        self.memory.store(dst + at, self.memory.load(src + at))
        return 0


def story(bench: SpaceBench) -> Iterator[str]:
    """A clean area, one that changes, a written one: all three become one."""
    yield bench.map(0, 6)
    yield bench.protect(2, 4, READ)
    yield bench.write(4, 6)
    yield bench.protect(2, 4, RW)


REGRESSION = Regression(
    name="anon-chain-not-copied",
    title="a merge hands an area pages that reverse mapping cannot find",
    source="commit 5beb49305251 and its follow-ups (2.6.34)",
    versions="2.6.34-rc",
    layer="space",
    mechanism=(
        "When the border between two areas moves, pages of one come to lie in the other. If that "
        "one never had anonymous pages it gets the other's anon_vma. The pages are found through "
        "the links of the anon_vma's tree, though, and those were not copied: the pages could not "
        "be unmapped by reclaim or migration, and outlived their area."
    ),
    trigger="a merge in which a never-written area takes over a written one",
    invariants=("VM-20",),
    overrides=lambda profile: AnonChainNotCopied,
    story=story,
    at_random=165,
)
