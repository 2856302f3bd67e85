"""``dontunmap-pgoff``: an emptied area keeps the offsets of the pages that left."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import SpaceBench
from mmtwin.space import flags as c
from mmtwin.space.space import Space


class DontunmapPgoff(Space):
    """``mremap`` with MREMAP_DONTUNMAP leaving vm_pgoff alone."""

    def dontunmap_reset_pgoff(self, vma: int) -> None:
        """The area stays as it is, but for its pages."""


def story(bench: SpaceBench) -> Iterator[str]:
    """A written area is moved, then its pages are moved once more and the area stays."""
    yield bench.map(0, 2)
    yield bench.write(0, 2)
    yield bench.remap(0, 2, 10)
    yield bench.remap(10, 12, 20, c.MREMAP_DONTUNMAP)


REGRESSION = Regression(
    name="dontunmap-pgoff",
    title="an area emptied by mremap has a wrong page offset",
    source='"mm/mremap: reset unfaulted VMA page offset for MREMAP_DONTUNMAP" (2026)',
    versions="5.7 to 6.19; fixed in 6.1.192",
    layer="space",
    mechanism=(
        "Anonymous memory counts its pages from the address where it was first mapped, and keeps "
        "the count when it is moved, since its pages know themselves by it. MREMAP_DONTUNMAP moves "
        "the pages and leaves the area, empty and without an anon_vma, as if never written; such "
        "an area counts from its own address. It kept the old count, does not merge with what it "
        "should, and may merge with what it should not."
    ),
    trigger="mremap a written area, then mremap it again with MREMAP_DONTUNMAP",
    invariants=("VM-17",),
    overrides=lambda profile: DontunmapPgoff,
    story=story,
    at_random=837,
)
