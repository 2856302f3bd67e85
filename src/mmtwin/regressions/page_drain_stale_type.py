"""Pages of an isolated block are drained to a normal list."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.pages.pages import Pages
from mmtwin.regressions.page_bug import FIRST, PageRegression, free_chunk


class DrainStaleType:
    """Draining that trusts the type read when the page was freed."""

    def drained_type(self, page: int, cached: int, isolated: bool) -> int:
        """The cached type."""
        return cached


def _story(pages: Pages, zone: int) -> Iterator[str]:
    free_chunk(pages, FIRST + 3, 0)
    yield "a page is freed to a per-cpu list"
    for nth in range(512):
        if nth != 3:
            pages.folio_add_lru(pages.pfn_to_page(FIRST + nth))
    pages.set_migratetype_isolate(pages.pfn_to_page(FIRST), pages.mt_movable)
    yield "its block is isolated"
    pages.drain_all_pages(0)
    yield "all cpus are drained"


REGRESSION = PageRegression(
    name="page-drain-stale-type",
    title="a drained page goes to the list of the type its block had when it was freed",
    source="ad53f92eb416",
    versions="2.6.36-3.17",
    mechanism=(
        "The type of a page is read when it is freed to a per-cpu list, without the zone "
        "lock, and was not read again on the way to the buddy lists. If its block was "
        "isolated in between, the page landed on a normal list and could be allocated "
        "again."
    ),
    trigger="free a page, isolate its block, drain",
    invariants=("PG-06",),
    kind=Pages,
    override=DrainStaleType,
    story=_story,
)
