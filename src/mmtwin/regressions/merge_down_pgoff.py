"""``merge-down-pgoff``: an area grows downwards and keeps its page offset."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import SpaceBench
from mmtwin.space.space import Space


class MergeDownPgoff(Space):
    """``vma_merge`` case 3 without a new vm_pgoff."""

    def vma_adjust(
        self, vma: int, start: int, end: int, pgoff: int, insert: int, expand: int
    ) -> int:
        """Move borders; an area that grows at its head keeps its offset."""
        layout = self.layouts.vm_area_struct
        if not insert and expand == vma and start < self.memory.load(vma):
            pgoff = self.memory.load(vma + layout.offset("vm_pgoff"))
        return super().vma_adjust(vma, start, end, pgoff, insert, expand)


def story(bench: SpaceBench) -> Iterator[str]:
    """An area is moved into the hole below another, and joins it."""
    yield bench.map(10, 12)
    yield bench.map(2, 4)
    yield bench.remap(2, 4, 8)


REGRESSION = Regression(
    name="merge-down-pgoff",
    title="after a merge downwards a file shows the wrong data",
    source="commit 7e7757876f25",
    versions="6.3-rc to 6.3.0; fixed in 6.3.1",
    layer="space",
    mechanism=(
        "When a new piece joins the area above it, that area begins earlier, and its page offset "
        "has to be lower by as many pages. It was left as it was, so every page of the area showed "
        "the data that belongs some pages further on. Package databases crashed on it."
    ),
    trigger="mremap of a piece into the hole directly below its continuation",
    invariants=("VM-17",),
    overrides=lambda profile: MergeDownPgoff,
    story=story,
    at_random=397,
)
