"""``dontunmap-locked``: part of a locked area is moved, and all of it loses the lock."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import SpaceBench
from mmtwin.space import flags as c
from mmtwin.space.move_vma import Move
from mmtwin.space.space import Space


class DontunmapLocked(Space):
    """``move_vma`` that does not split a locked source."""

    def move_split_locked(self, move: Move) -> int:
        """Leave the source in one piece."""
        return 0


def story(bench: SpaceBench) -> Iterator[str]:
    """The middle of a locked area is moved away with MREMAP_DONTUNMAP."""
    yield bench.map(0, 4)
    yield bench.lock(0, 4)
    yield bench.remap(1, 3, 10, c.MREMAP_DONTUNMAP)


REGRESSION = Regression(
    name="dontunmap-locked",
    title="MREMAP_DONTUNMAP of a part unlocks the whole area and leaves it counted",
    source="mm/mremap, MREMAP_DONTUNMAP on partial ranges (2026)",
    versions="5.7 to 6.19; fixed in 6.1.192",
    layer="space",
    mechanism=(
        "The pages of a locked area that are moved away with MREMAP_DONTUNMAP stay locked at their "
        "new place; the old place is no longer. When only a part was moved the whole old area lost "
        "VM_LOCKED, but locked_vm went on counting all of it."
    ),
    trigger="mremap the middle of a locked area with MREMAP_DONTUNMAP",
    invariants=("VM-09",),
    overrides=lambda profile: DontunmapLocked,
    story=story,
    at_random=6_745,
)
