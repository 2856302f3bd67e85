"""A page is freed twice."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.pages.pages import Pages
from mmtwin.regressions.page_bug import FIRST, PageRegression, free_chunk


class DoubleFree:
    """Dropping a reference without CONFIG_DEBUG_VM."""

    def put_page_testzero(self, page: int) -> bool:
        """Drop it, whatever it was."""
        return bool(self.page_ref_add(page, -1) == 0)  # type: ignore[attr-defined]


def _story(pages: Pages, zone: int) -> Iterator[str]:
    free_chunk(pages, FIRST + 9, 0)
    yield "a page is freed"
    pages.free_pages(pages.pfn_to_page(FIRST + 9), 0)
    yield "and freed again"


REGRESSION = PageRegression(
    name="page-double-free",
    title="a page is freed twice and its count goes below zero on a free list",
    source="a driver, any version",
    versions="all",
    mechanism=(
        "With CONFIG_DEBUG_VM dropping a reference that does not exist is a BUG. Without it "
        "the count of a page that lies on a per-cpu list becomes -1, and whoever allocates "
        "it next finds 'nonzero _refcount'."
    ),
    trigger="free a page twice",
    invariants=("PG-14",),
    kind=Pages,
    override=DoubleFree,
    story=_story,
    asserted=True,
)
