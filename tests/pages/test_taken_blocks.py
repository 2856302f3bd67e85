"""What compaction and isolation do to blocks whose chunks they take or split."""

import pytest
from zones import BOTTOM, block, listed, one_zone, put

from mmtwin.check.page_step import PageStepCheck
from mmtwin.machine.bug import KernelBug
from mmtwin.pages.pages import Pages
from mmtwin.pages.v6_18 import Pages618

FIRST = BOTTOM


@pytest.mark.parametrize("kind", [Pages, Pages618])
def test_a_block_that_compaction_takes_half_of_becomes_movable(kind: type[Pages]) -> None:
    pages, zone = one_zone(kind, FIRST, FIRST + 4096)
    block(pages, FIRST, pages.mt_unmovable)
    put(pages, (FIRST, 8, pages.mt_unmovable), (FIRST + 288, 3, pages.mt_unmovable))
    put(pages, (FIRST + 512, 9, pages.mt_movable))
    assert pages._isolate_free_page(pages.pfn_to_page(FIRST), 8) == 256
    assert pages.get_pfnblock_migratetype(FIRST) == pages.mt_movable
    # Since 6.10 the rest of the block goes along; before, it stayed on the lists of the old type.
    rest = pages.mt_movable if kind is Pages618 else pages.mt_unmovable
    assert (FIRST + 288, 3, rest) in listed(pages, zone)
    assert PageStepCheck(pages).full() == []


def test_a_split_that_never_ends_is_a_lockup() -> None:
    class MergesAgain(Pages):
        def buddy_may_merge(self, buddy: int, order: int, migratetype: int) -> bool:
            return True

    pages, _ = one_zone(MergesAgain, FIRST, FIRST + 4096)
    put(pages, (FIRST, 10, pages.mt_movable))
    with pytest.raises(KernelBug, match="soft lockup"):
        pages.start_isolate_page_range(FIRST + 512, FIRST + 1024, pages.mt_movable)
