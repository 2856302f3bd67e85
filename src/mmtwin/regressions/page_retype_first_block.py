"""Only the first block of a large buddy changes its type."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.pages.pages import Pages
from mmtwin.pages.v6_18 import Pages618
from mmtwin.regressions.page_bug import FIRST, PageRegression, free_chunk, put_free, set_block


class RetypeFirstBlock:
    """Merging that forgets the other blocks."""

    def retype_merged(self, buddy: int, order: int, migratetype: int) -> int:
        """One block changes."""
        retype = self.set_pageblock_migratetype  # type: ignore[attr-defined]
        return int(retype(buddy, migratetype))


def _story(pages: Pages, zone: int) -> Iterator[str]:
    for pfn in (FIRST, FIRST + 256):
        set_block(pages, pfn, pages.mt_unmovable)
    put_free(pages, FIRST, 9, pages.mt_unmovable)
    yield "two UNMOVABLE blocks are one free chunk"
    free_chunk(pages, FIRST + 512, 9)
    yield "its MOVABLE twin is freed"


REGRESSION = PageRegression(
    name="page-retype-first-block",
    title="merging retypes only the first pageblock of a multi-block buddy",
    source="7838a4eb8a1d",
    versions="6.10-6.18",
    mechanism=(
        "A freed chunk that merges with a buddy of another type makes the buddy's block its "
        "own type. Where a chunk covers more than one block before the last merge, as on "
        "s390, the further blocks kept theirs; the next split warns 'page type is 0, passed "
        "migratetype is 1 (nr=256)'."
    ),
    trigger="free the twin of a free chunk of two blocks of another type, pageblock order 8",
    invariants=(
        "PG-13",
        "PG-06",
    ),
    kind=Pages618,
    override=RetypeFirstBlock,
    story=_story,
    pageblock_order=8,
    blocks=16,
)
