"""A struct page counts as never written only if it never was."""

import pytest

from mmtwin.check.page_step import PageStepCheck
from mmtwin.pages.pages import Pages
from mmtwin.pages.v3_15 import Pages315
from mmtwin.pages.v6_18 import Pages618


@pytest.mark.parametrize("kind", [Pages, Pages315, Pages618])
def test_a_tail_page_mapped_once_is_not_pristine(kind: type[Pages]) -> None:
    pages = kind.of_ram(64 << 20, journal=True)
    check = PageStepCheck(pages, reserve=False)
    never = pages.pfn_to_page(0x2000)
    assert pages.pristine(never), "far from both ends of the zone"
    head = pages.alloc_pages(pages.era.gfp.value("GFP_HIGHUSER_MOVABLE") | pages.gfp_comp, 9)
    tail = head + 64 * 7
    mark = pages.memory.mark()
    pages.page_mapcount_add(tail, 1)
    assert pages.ld(tail + pages.o_counts) == 0, "mapped once, and no reference of its own"
    assert not pages.pristine(tail)
    assert check.touched(mark) == check.full() == []
    pages.page_mapcount_add(tail, -1)
    assert check.touched(mark) == []
    assert check.whole_runs == 0, "and what is touched was enough to tell"
