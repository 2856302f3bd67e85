"""``munmap-search-limit``: munmap looks no further than its first address."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.maple.state import MaState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import SpaceBench
from mmtwin.space.space import Space


class MunmapSearchLimit(Space):
    """``do_mas_munmap`` with the start of the range as the limit of its search."""

    def munmap_first(self, mas: MaState, start: int, end: int) -> int:
        """The first area of the range, if it is mapped at the very start."""
        return self.maple.mas_find(mas, start)


def story(bench: SpaceBench) -> Iterator[str]:
    """A fixed mapping over a hole and the area behind it."""
    yield bench.map(4, 6)
    yield bench.map(2, 8)


REGRESSION = Regression(
    name="munmap-search-limit",
    title="munmap of a range that begins in a hole unmaps nothing",
    source="Hugh Dickins, July 2022, item 2: tried and taken back",
    versions="a patch to linux-next, July 2022",
    layer="space",
    mechanism=(
        "mas_find takes the last index to look at, and begins where the cursor stands; vma_find "
        "takes an end. Read as the start of the search, the limit end - 1 of munmap's look-up "
        "seemed wrong, and start was put in its place: the search then finds only an area that "
        "holds the first address. A range that begins in a hole is taken for empty, and a fixed "
        "mapping there is stored over areas that are still counted and linked."
    ),
    trigger="mmap with MAP_FIXED over a range that begins in a hole and covers an area behind it",
    invariants=("VM-03",),
    overrides=lambda profile: MunmapSearchLimit,
    story=story,
    at_random=29,
)
