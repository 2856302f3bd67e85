"""Pages of isolated blocks are counted as free."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.pages.pages import Pages
from mmtwin.regressions.page_bug import FIRST, PageRegression, free_chunk


class IsolatedCounted:
    """Counting that does not ask for isolation."""

    def account_freed(self, zone: int, order: int, migratetype: int) -> int:
        """Whatever is freed is free."""
        count = self.mod_zone_freepage_state  # type: ignore[attr-defined]
        return int(count(zone, 1 << order, migratetype))


def _story(pages: Pages, zone: int) -> Iterator[str]:
    for nth in range(512):
        pages.folio_add_lru(pages.pfn_to_page(FIRST + nth))
    pages.set_migratetype_isolate(pages.pfn_to_page(FIRST), pages.mt_movable)
    yield "a block in use is isolated"
    pages.page_cache_release(pages.pfn_to_page(FIRST + 7))
    free_chunk(pages, FIRST + 7, 0)
    yield "a page of it is freed"


REGRESSION = PageRegression(
    name="page-isolated-counted",
    title="pages freed in an isolated block count as free",
    source="8f82b55dd558",
    versions="2.6.36-3.17",
    mechanism=(
        "Nobody may have the pages of an isolated block, so they must not count in "
        "NR_FREE_PAGES. Each free path decided for itself whether they do, and some counted "
        "them: the watermarks then let requests pass that there was no memory for."
    ),
    trigger="free a page of an isolated block",
    invariants=("PG-02",),
    kind=Pages,
    override=IsolatedCounted,
    story=_story,
)
