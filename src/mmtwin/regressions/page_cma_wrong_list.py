"""A CMA page on the MOVABLE list because a trylock failed."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.pages.pages import Pages
from mmtwin.regressions.page_bug import FIRST, PageRegression, free_chunk, set_block


class CmaWrongList:
    """The free path that forgets a page's own type."""

    def untracked_type(self, migratetype: int, pcptype: int) -> int:
        """The type of the per-cpu list that the page would have gone to."""
        return pcptype


def _story(pages: Pages, zone: int) -> Iterator[str]:
    set_block(pages, FIRST, pages.mt_cma)
    yield "a block is CMA's"
    pages.hold_pcp_lock(zone, 0, True)
    yield "another context holds the lock of the per-cpu lists"
    free_chunk(pages, FIRST + 5, 0)
    yield "a CMA page is freed"


REGRESSION = PageRegression(
    name="page-cma-wrong-list",
    title="a freed CMA page goes to the MOVABLE list when the per-cpu lists are locked",
    source="7b086755fb8c, caused by 4b23a68f9536",
    versions="6.0-6.5",
    mechanism=(
        "CMA and HIGHATOMIC pages are kept on the MOVABLE per-cpu list. When its lock could "
        "not be taken, the page was freed to the buddy lists with the type of that list "
        "instead of its own, so unmovable requests could get CMA pages and free_cma went "
        "wrong."
    ),
    trigger="free a CMA page while the per-cpu lists are locked",
    invariants=("PG-06",),
    kind=Pages,
    override=CmaWrongList,
    story=_story,
)
