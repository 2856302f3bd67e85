"""Only the first block of a HIGHATOMIC chunk is given back."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.pages.pages import Pages
from mmtwin.pages.v6_18 import Pages618
from mmtwin.regressions.page_bug import FIRST, PageRegression, put_free, set_block


class UnreserveFirstBlock:
    """Giving back one block, whatever the chunk covers."""

    def unreserve_in_zone(self, zone: int, migratetype: int) -> bool:
        """Retype the first block and move the chunk."""
        pages: Pages618 = self  # type: ignore[assignment]
        for order in range(pages.order_max + 1):
            page = pages.get_page_from_free_area(zone, order, pages.mt_highatomic)
            if page:
                pages.uncount_reserved(zone, page, pages.pageblock_nr_pages)
                pages.set_pageblock_migratetype(page, migratetype)
                moved = pages.move_freepages_block(zone, page, migratetype)
                pages.mod_zone_freepage_state(zone, -moved, pages.mt_highatomic)
                pages.mod_zone_freepage_state(zone, moved, migratetype)
                return True
        return False


def _story(pages: Pages, zone: int) -> Iterator[str]:
    for pfn in (FIRST, FIRST + 512):
        set_block(pages, pfn, pages.mt_highatomic)
    pages.zone_view(zone).nr_reserved_highatomic = 1024
    put_free(pages, FIRST, 10, pages.mt_highatomic)
    yield "two HIGHATOMIC blocks are one free chunk"
    pages.unreserve_in_zone(zone, pages.mt_movable)
    yield "memory is short: the reserve is given back"


REGRESSION = PageRegression(
    name="page-unreserve-first-block",
    title="unreserving a multi-block HIGHATOMIC chunk retypes only its first block",
    source="7cc5a5d65011",
    versions="6.10-rc",
    mechanism=(
        "HIGHATOMIC blocks that are free as a whole merge into one chunk of several blocks. "
        "Giving the reserve back moved the whole chunk to the caller's list but changed the "
        "type of its first block only."
    ),
    trigger="unreserve when two HIGHATOMIC blocks are one free chunk",
    invariants=(
        "PG-13",
        "PG-06",
    ),
    kind=Pages618,
    override=UnreserveFirstBlock,
    story=_story,
)
