"""Splitting a free chunk counts it twice."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.pages.pages import Pages
from mmtwin.regressions.page_bug import FIRST, PageRegression, put_free


class SplitUncounted:
    """Splitting that does not take the chunk from the count."""

    def split_free_page(self, page: int, order: int, split_pfn_offset: int) -> int:
        """Take the chunk off its list and free its parts."""
        pages: Pages = self  # type: ignore[assignment]
        zone = pages.page_zone(page)
        first = pages.page_to_pfn(page)
        pages.del_page_from_free_list(page, zone, order, -1)
        piece = split_pfn_offset.bit_length() - 1
        for pfn in range(first, first + (1 << order), 1 << piece):
            part = pages.pfn_to_page(pfn)
            pages.init_if_pristine(part, zone)
            pages.free_one_page(zone, part, pfn, piece, pages.get_pfnblock_migratetype(pfn), 0)
        return 0


def _story(pages: Pages, zone: int) -> Iterator[str]:
    put_free(pages, FIRST, 10, pages.mt_movable)
    yield "two blocks are one free chunk"
    pages.start_isolate_page_range(FIRST + 512, FIRST + 1024, pages.mt_movable)
    yield "the second block is isolated"


REGRESSION = PageRegression(
    name="page-split-uncounted",
    title="isolating half of a free chunk counts the other half twice",
    source="86d28b070927",
    versions="5.19-rc",
    mechanism=(
        "A free chunk that straddles the end of an isolated range is split: taken off its "
        "list and freed in parts by their own types. Freeing counts the parts, but taking "
        "off did not uncount the whole, so NR_FREE_PAGES grew with each such isolation."
    ),
    trigger="isolate the second block of a free chunk of the largest order",
    invariants=("PG-02",),
    kind=Pages,
    override=SplitUncounted,
    story=_story,
)
