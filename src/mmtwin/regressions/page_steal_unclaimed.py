"""Free pages are moved out of a block that keeps its type."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.pages.layouts import ZONE_USED
from mmtwin.pages.pages import Pages
from mmtwin.pages.v6_18 import Pages618
from mmtwin.regressions.page_bug import FIRST, PageRegression, put_free, set_block


class StealUnclaimed:
    """Stealing as up to 6.9: move first, then decide about the block."""

    def try_to_claim_block(
        self, zone: int, page: int, order: int, start_type: int, alloc_flags: int
    ) -> int:
        """Move what is free, then look whether it is enough for the block."""
        pages: Pages618 = self  # type: ignore[assignment]
        moved = pages.move_freepages_block(zone, page, start_type)
        if moved >= pages.pageblock_nr_pages // 2:
            pages.set_pageblock_migratetype(page, start_type)
        pages.debug_vm = False
        return pages._rmqueue_smallest(zone, order, start_type)


def _story(pages: Pages, zone: int) -> Iterator[str]:
    set_block(pages, FIRST, pages.mt_reclaimable)
    put_free(pages, FIRST + 64, 5, pages.mt_reclaimable)
    put_free(pages, FIRST + 192, 6, pages.mt_reclaimable)
    yield "a RECLAIMABLE block has a few free pages"
    taken = pages._rmqueue(zone, 0, pages.mt_unmovable, 0)
    pages.mod_zone_freepage_state(zone, -1, pages.mt_unmovable)
    pages.set_page_refcounted(taken)
    pages.add_to(zone + ZONE_USED, 1)
    yield "an unmovable request falls back to it"


REGRESSION = PageRegression(
    name="page-steal-unclaimed",
    title="a fallback moves a block's free pages to other lists without claiming the block",
    source="c0cd6f557b90 and the series around it",
    versions="-6.9",
    mechanism=(
        "Stealing moved the free pages of a block first and then decided whether the block "
        "was worth claiming. If it was not, its pages stayed on lists of another type, and "
        "pages freed later went to the old ones: types mixed within the block and counters "
        "by type were guesses."
    ),
    trigger="fall back to a block that is mostly in use",
    invariants=("PG-06",),
    kind=Pages618,
    override=StealUnclaimed,
    story=_story,
)
