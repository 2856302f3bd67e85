"""Free chunks merge over the border of a CMA block."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.pages.pages import Pages
from mmtwin.regressions.page_bug import FIRST, PageRegression, free_chunk, put_free, set_block


class MergeAcrossTypes:
    """Merging that does not ask for types."""

    def buddy_may_merge(self, buddy: int, order: int, migratetype: int) -> bool:
        """Everything merges."""
        return True


def _story(pages: Pages, zone: int) -> Iterator[str]:
    set_block(pages, FIRST, pages.mt_cma)
    put_free(pages, FIRST, 9, pages.mt_cma)
    yield "a CMA block is free"
    free_chunk(pages, FIRST + 512, 9)
    yield "the MOVABLE block beside it is freed"
    pages.drain_all_pages(0)
    yield "and reaches the buddy lists"


REGRESSION = PageRegression(
    name="page-merge-across-types",
    title="a free CMA block is swallowed by a MOVABLE buddy",
    source="1dd214b8f21c",
    versions="3.5-5.17",
    mechanism=(
        "One chunk of the largest order covers two pageblocks. Without a look at the types "
        "a freed MOVABLE block merged with a free CMA block, and the whole went to the "
        "MOVABLE list: CMA pages were lost to unmovable requests and the counters drifted."
    ),
    trigger="free the neighbour of a free CMA block",
    invariants=("PG-06",),
    kind=Pages,
    override=MergeAcrossTypes,
    story=_story,
)
