"""Thread 002's second explanation: a type forged by two writers of one word."""

import pytest
from zones import one_zone

from mmtwin.pages.bitmap_race import final_types, interleavings
from mmtwin.pages.v3_15 import Pages315

TABLE = {
    (2, 1): {0, 1, 2, 3},
    (1, 2): {0, 1, 2, 3},
    (2, 0): {0, 2},
    (0, 1): {0, 1},
    (2, 5): {1, 2, 3, 4, 5, 6, 7},
    (5, 2): {0, 1, 2, 3, 4, 5, 6},
    (4, 5): {4, 5},
    (2, 3): {2, 3},
}


@pytest.mark.parametrize(("change", "finals"), TABLE.items())
def test_every_final_type_of_the_table_and_no_other(
    change: tuple[int, int], finals: set[int]
) -> None:
    pages, _ = one_zone(Pages315, 0x40000, 0x40800)
    assert final_types(pages, 0x40000, *change, 0x40000) == finals
    assert any(lost for _, lost in interleavings(pages, 0x40000, *change, 0x40000))


def test_the_other_block_need_only_share_the_word() -> None:
    pages, _ = one_zone(Pages315, 0x40000, 0x48000)
    assert 3 in final_types(pages, 0x40000, 2, 1, 0x40000 + 15 * 512)
    assert final_types(pages, 0x40000, 2, 1, 0x40000 + 16 * 512) == {1}


def test_one_exchange_of_the_word_loses_nothing() -> None:
    pages, _ = one_zone(Pages315, 0x40000, 0x40800)
    page = pages.pfn_to_page(0x40000)
    pages.set_pageblock_skip(page)
    pages.set_pageblock_migratetype(page, 1)
    assert pages.get_pageblock_migratetype(page) == 1
    assert pages.get_pageblock_skip(page)
