"""RESERVE pages come back as what was asked for."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.pages.freepage_migratetype import PreventMisplaced
from mmtwin.pages.layouts import ZONE_USED
from mmtwin.pages.pages import Pages
from mmtwin.pages.reserve import Reserve
from mmtwin.regressions.page_bug import FIRST, PageRegression, put_free, set_block


class ReserveMislabelled:
    """Refilling that labels pages with the type asked for."""

    def label_refill(self, page: int, migratetype: int) -> int:
        """The type asked for is cached, but for CMA and isolated blocks: as in 3.15."""
        return int(Reserve.label_refill(self, page, migratetype))  # type: ignore[arg-type]


def _story(pages: Pages, zone: int) -> Iterator[str]:
    set_block(pages, FIRST, pages.mt_reserve)
    pages.zone_view(zone).nr_migrate_reserve_block = 1
    put_free(pages, FIRST, 9, pages.mt_reserve)
    yield "all that is free is the reserve"
    pages.pcp_view(zone, 0).batch = 31
    taken = pages.rmqueue(zone, 0, pages.gfp_movable, 0, pages.mt_movable)
    pages.set_page_refcounted(taken)
    pages.add_to(zone + ZONE_USED, 1)
    yield f"a movable request gets frame {pages.page_to_pfn(taken):#x} and refills its cpu"
    pages.drain_all_pages(0)
    yield "the rest is drained unused"


REGRESSION = PageRegression(
    name="page-reserve-mislabelled",
    title="RESERVE pages taken as a last resort return to the MOVABLE list",
    source="linux-mm, 3 April 2014, patch 1/2; in 3.16",
    versions="-3.15",
    mechanism=(
        "rmqueue_bulk wrote the type that was asked for into each page it took. A RESERVE "
        "page taken because nothing else was left came back to the MOVABLE list when its "
        "cpu was drained, merged with free RESERVE pages there, and the block could then be "
        "stolen for good."
    ),
    trigger="exhaust memory, refill a cpu from the reserve, drain it",
    invariants=("PG-06",),
    kind=PreventMisplaced,
    override=ReserveMislabelled,
    story=_story,
)
