"""``watched-at-wrong-offset``: registering a part of an area moves what its pages show."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import BASE, PAGE, RW, SpaceBench
from mmtwin.space import flags as c
from mmtwin.space.space import Space

WRITE_PROTECT = 2


class WatchedAtWrongOffset(Space):
    """``userfaultfd_register`` telling vma_merge the page offset of the area's beginning."""

    def uffd_modify(
        self, mm: int, prev: int, vma: int, start: int, end: int, new: int, ctx: int
    ) -> int:
        """As 6.1 does it, wherever in the area the range begins."""
        return Space.uffd_modify(self, mm, prev, vma, start, end, new, ctx)


def story(bench: SpaceBench) -> Iterator[str]:
    """Pages 0 to 3 of a file, then its pages 2 to 5; all but the first two are watched."""
    space = bench.space
    file = space.shmem_file_setup("/memfd:f (deleted)", 16 * PAGE, 0)
    watcher = space.open_file("anon_inode:[userfaultfd]", 0, 14, 0, c.O_RDWR)
    shared = c.MAP_SHARED | c.MAP_FIXED
    space.sys_mmap(bench.mm, BASE, 4 * PAGE, RW, shared, file, 0)
    space.sys_mmap(bench.mm, BASE + 4 * PAGE, 4 * PAGE, RW, shared, file, 2 * PAGE)
    yield "pages 0..4 map the file from page 0 on, 4..8 from page 2 on"
    yield bench.write(0, 8)
    space.uffdio_register(bench.mm, watcher, BASE + 4 * PAGE, 4 * PAGE, WRITE_PROTECT)
    yield "watch pages 4..8"
    space.uffdio_register(bench.mm, watcher, BASE + 2 * PAGE, 2 * PAGE, WRITE_PROTECT)
    yield "watch pages 2..4"


REGRESSION = Regression(
    name="watched-at-wrong-offset",
    title="after UFFDIO_REGISTER of its end a file's area shows other pages",
    source="commit 270aa0106217",
    versions="6.1 (6.1.192 still has it: so does the profile 6.1), 6.2, 6.3; fixed in 6.4",
    layer="space",
    mechanism=(
        "To see whether a watched range can join its neighbours, userfaultfd_register tells "
        "vma_merge the page offset of the area that the range lies in, also where the range begins "
        "further up. Most often nothing fits that offset and areas stay apart that could be one. "
        "But where the area above continues the wrong offset, it grows down over the range, which "
        "from then on shows pages of the file from before: a guest with 6.1.192 answers so."
    ),
    trigger="watch a file's area; then the end of the one below, whose start it would continue",
    invariants=("VM-41",),
    overrides=lambda profile: WatchedAtWrongOffset,
    story=story,
    kernel="6.18",
)
