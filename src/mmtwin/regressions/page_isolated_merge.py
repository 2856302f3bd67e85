"""A normal page swallows an isolated buddy."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.pages.pages import Pages
from mmtwin.regressions.page_bug import FIRST, PageRegression, free_chunk, put_free


class IsolatedMerge:
    """Merging that looks at the freed page's type only."""

    def buddy_may_merge(self, buddy: int, order: int, migratetype: int) -> bool:
        """Only a page freed as ISOLATE stops at the border of its block."""
        return migratetype != self.mt_isolate  # type: ignore[attr-defined, no-any-return]


def _story(pages: Pages, zone: int) -> Iterator[str]:
    put_free(pages, FIRST, 9, pages.mt_movable)
    yield "a MOVABLE block is free"
    pages.set_migratetype_isolate(pages.pfn_to_page(FIRST), pages.mt_movable)
    yield "it is isolated"
    free_chunk(pages, FIRST + 512, 9)
    yield "its buddy is freed"
    pages.drain_all_pages(0)
    yield "and reaches the buddy lists"


REGRESSION = PageRegression(
    name="page-isolated-merge",
    title="a freed page merges with an isolated buddy, which gets allocated",
    source="d9dddbf55667",
    versions="3.18-4.5",
    mechanism=(
        "Merging stopped at the border of a pageblock for pages freed as ISOLATE, but a "
        "normal page still swallowed an isolated buddy: its pages left the isolated list, "
        "could be allocated, and free_cma counted them twice."
    ),
    trigger="free the buddy of an isolated free block",
    invariants=("PG-06",),
    kind=Pages,
    override=IsolatedMerge,
    story=_story,
)
