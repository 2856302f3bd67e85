"""One HIGHATOMIC block is given back twice."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.pages.pages import Pages
from mmtwin.regressions.page_bug import FIRST, PageRegression, free_chunk, put_free


class HighatomicDoubleDecrease:
    """Giving back without a look at the block."""

    def unreserve_in_zone(self, zone: int, migratetype: int) -> bool:
        """Uncount a block for every page found on the HIGHATOMIC lists."""
        pages: Pages = self  # type: ignore[assignment]
        for order in range(pages.order_max + 1):
            page = pages.get_page_from_free_area(zone, order, pages.mt_highatomic)
            if page:
                pages.uncount_highatomic(zone)
                pages.set_pageblock_migratetype(page, migratetype)
                if pages.move_freepages_block(zone, page, migratetype):
                    return True
        return False


def _story(pages: Pages, zone: int) -> Iterator[str]:
    for pfn in (FIRST, FIRST + 512):
        pages.reserve_highatomic_pageblock(pages.pfn_to_page(pfn), zone, 1)
    yield "two blocks are set apart"
    put_free(pages, FIRST + 8, 1, pages.mt_highatomic)
    free_chunk(pages, FIRST + 16, 0)
    yield "a page of the first is on a per-cpu list, others are free"
    pages.unreserve_in_zone(zone, pages.mt_movable)
    yield "the first block is given back"
    pages.drain_all_pages(0)
    yield "its late page reaches the HIGHATOMIC list"
    pages.unreserve_in_zone(zone, pages.mt_movable)
    yield "giving back finds it there"


REGRESSION = PageRegression(
    name="page-highatomic-double-decrease",
    title="nr_reserved_highatomic is decreased twice for one block",
    source="4855e4a7f29d",
    versions="4.4-4.9",
    mechanism=(
        "A page freed while its block was HIGHATOMIC may reach the list after the block was "
        "given back. The next round found it there and took another pageblock from the "
        "count; on underflow every request without reserve rights fails for good."
    ),
    trigger="unreserve, drain a late page, unreserve again",
    invariants=("PG-16",),
    kind=Pages,
    override=HighatomicDoubleDecrease,
    story=_story,
)
