"""Splitting, merging, and the order in which pages come out."""

import pytest
from zones import Trace, block, free_chunk, listed, one_zone, order_of, put

from mmtwin.machine.bug import KernelBug
from mmtwin.pages.bug import BadPage, PageBug
from mmtwin.pages.gfp import ALLOC_CMA
from mmtwin.pages.pages import Pages
from mmtwin.pages.v3_15 import Pages315

GFP_KERNEL = 0xCC0
MOVABLE_61 = 1
UNMOVABLE_61 = 0


def test_one_big_chunk_gives_ascending_frames_and_leaves_the_upper_halves() -> None:
    pages, zone = one_zone(Pages, 0x3D000, 0x3D400)
    put(pages, (0x3D000, 10, MOVABLE_61))
    frames = [pages.page_to_pfn(pages._rmqueue_smallest(zone, 0, MOVABLE_61)) for _ in range(3)]
    assert frames == [0x3D000, 0x3D001, 0x3D002]
    assert listed(pages, zone) == [
        (0x3D003, 0, MOVABLE_61),
        *[(0x3D000 + (1 << order), order, MOVABLE_61) for order in range(2, 10)],
    ]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_chunk_is_whole_again_when_the_last_page_is_back(order: tuple[int, ...]) -> None:
    pages, zone = one_zone(Pages, 0x3D000, 0x3D400)
    put(pages, (0x3D000, 10, MOVABLE_61))
    taken = [pages._rmqueue_smallest(zone, 0, MOVABLE_61) for _ in range(3)]
    for nth in order:
        assert listed(pages, zone) != [(0x3D000, 10, MOVABLE_61)]
        page = taken[nth]
        pages._free_one_page(page, pages.page_to_pfn(page), zone, 0, MOVABLE_61, 0)
    assert listed(pages, zone) == [(0x3D000, 10, MOVABLE_61)]


def test_buddies_and_parents() -> None:
    pages, _ = one_zone(Pages, 0x3D000, 0x3D400)
    assert pages.find_buddy_pfn(0x3D000, 9) == 0x3D200
    assert pages.find_buddy_pfn(0x3D200, 9) == 0x3D000
    assert pages.find_buddy_pfn(0x3D000, 10) == 0x3D400


def test_a_chunk_goes_to_the_tail_if_its_parent_will_soon_merge() -> None:
    pages, zone = one_zone(Pages, 0x40000, 0x40400)
    put(pages, (0x40100, 0, MOVABLE_61), (0x40002, 1, MOVABLE_61))
    free_chunk(pages, 0x40000, 0)
    pages.drain_all_pages(0)
    assert order_of(pages, zone, 0, MOVABLE_61) == [0x40100, 0x40000]
    free_chunk(pages, 0x40008, 0)
    pages.drain_all_pages(0)
    assert order_of(pages, zone, 0, MOVABLE_61) == [0x40008, 0x40100, 0x40000]


def test_types_without_fallbacks_do_not_merge_with_others_since_5_18() -> None:
    pages, zone = one_zone(Pages, 0x40000, 0x40400)
    cma = pages.mt_cma
    block(pages, 0x40000, cma)
    put(pages, (0x40000, 9, cma))
    free_chunk(pages, 0x40200, 9)
    pages.drain_all_pages(0)
    assert listed(pages, zone) == [(0x40000, 9, cma), (0x40200, 9, MOVABLE_61)]


def test_everything_merges_in_3_15() -> None:
    pages, zone = one_zone(Pages315, 0x40000, 0x40400)
    block(pages, 0x40000, 4)
    put(pages, (0x40000, 9, 4))
    free_chunk(pages, 0x40200, 9)
    assert listed(pages, zone) == [(0x40000, 10, 2)]


def test_moved_chunks_go_to_the_tail_in_6_1_and_to_the_head_in_3_15() -> None:
    for kind, movable, other, expected in (
        (Pages, 1, 2, [0x40204, 0x40000, 0x40004]),
        (Pages315, 2, 1, [0x40004, 0x40000, 0x40204]),
    ):
        pages, zone = one_zone(kind, 0x40000, 0x40400)
        put(pages, (0x40204, 2, other), (0x40000, 2, movable), (0x40004, 2, movable))
        pages.move_freepages_block(zone, pages.pfn_to_page(0x40000), other)
        assert order_of(pages, zone, 2, other) == expected


def test_an_unmovable_request_claims_a_block_that_is_half_free() -> None:
    pages, zone = one_zone(Pages, 0x40000, 0x40400)
    put(pages, (0x40000, 8, MOVABLE_61), (0x40100, 3, MOVABLE_61))
    pages.tracer = trace = Trace()
    page = pages._rmqueue(zone, 0, UNMOVABLE_61, 0)
    assert pages.page_to_pfn(page) == 0x40100
    assert trace.extfrag() == [(0, 8, UNMOVABLE_61, MOVABLE_61, 1)]
    assert pages.get_pfnblock_migratetype(0x40000) == UNMOVABLE_61
    assert {migratetype for _, _, migratetype in listed(pages, zone)} == {UNMOVABLE_61}


def test_a_movable_request_takes_the_smallest_chunk_of_a_block_it_cannot_have() -> None:
    pages, zone = one_zone(Pages, 0x40000, 0x40400)
    block(pages, 0x40000, UNMOVABLE_61)
    put(pages, (0x40000, 3, UNMOVABLE_61), (0x40010, 1, UNMOVABLE_61))
    assert pages.page_to_pfn(pages._rmqueue(zone, 0, MOVABLE_61, 0)) == 0x40010
    assert pages.get_pfnblock_migratetype(0x40000) == UNMOVABLE_61


def test_cma_serves_movable_requests_first_when_it_is_most_of_what_is_free() -> None:
    pages, zone = one_zone(Pages, 0x40000, 0x40400)
    block(pages, 0x40000, pages.mt_cma)
    put(pages, (0x40000, 4, pages.mt_cma), (0x40200, 2, MOVABLE_61))
    assert pages.page_to_pfn(pages._rmqueue(zone, 0, MOVABLE_61, ALLOC_CMA)) == 0x40000
    assert pages.page_to_pfn(pages._rmqueue(zone, 0, MOVABLE_61, 0)) == 0x40200


def test_a_page_is_freed_once() -> None:
    pages, _ = one_zone(Pages, 0x40000, 0x40400)
    page = pages.pfn_to_page(0x40010)
    pages.free_pages(page, 0)
    with pytest.raises(PageBug, match="page_ref_count") as bug:
        pages.free_pages(page, 0)
    assert bug.value.where == "put_page_testzero"


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("mapping", 8, "non-NULL mapping"),
        ("flags", 1 << 12 | 2 << 51, "PAGE_FLAGS_CHECK_AT_FREE flag(s) set"),
        ("mapcount", 0, "nonzero mapcount"),
    ],
)
def test_a_page_that_is_still_in_use_somewhere_is_not_freed(
    field: str, value: int, reason: str
) -> None:
    pages, zone = one_zone(Pages, 0x40000, 0x40400)
    page = pages.pfn_to_page(0x40010)
    offset = pages.era.page.fields[field]
    store = pages.memory.store if offset.size == 8 else pages.memory.store32
    store(page + offset.offset, value)
    with pytest.raises(BadPage) as bad:
        pages.free_pages(page, 0)
    assert bad.value.reason == reason
    assert listed(pages, zone) == []


def test_a_page_written_to_while_free_is_not_handed_out() -> None:
    pages, zone = one_zone(Pages, 0x40000, 0x40400)
    put(pages, (0x40000, 4, UNMOVABLE_61))
    pages.init_single_page(pages.pfn_to_page(0x40001), 2 << 51)
    pages.st(pages.pfn_to_page(0x40001) + pages.o_mapping, 0x1000)
    with pytest.raises(BadPage, match="non-NULL mapping"):
        pages.rmqueue(zone, 4, GFP_KERNEL, 0, UNMOVABLE_61)


def test_compound_pages_are_freed_whole_and_by_their_own_order() -> None:
    pages, zone = one_zone(Pages, 0x40000, 0x40400)
    put(pages, (0x40000, 5, UNMOVABLE_61))
    page = pages.rmqueue(zone, 5, GFP_KERNEL, 0, UNMOVABLE_61)
    pages.prep_new_page(page, 5, True, False)
    assert pages.compound_order(page) == 5
    assert pages.compound_head(page + 64 * 31) == page
    with pytest.raises(PageBug, match="compound_order"):
        pages.free_pages_prepare(page, 4)
    pages.put_page(page + 64 * 7)
    assert listed(pages, zone) == [(0x40000, 5, MOVABLE_61)]


def test_a_tail_page_that_leads_elsewhere_is_a_bad_page() -> None:
    pages, zone = one_zone(Pages315, 0x40000, 0x40400)
    put(pages, (0x40000, 2, 0))
    page = pages.rmqueue(zone, 2, 0xD0, 0, 0)
    pages.prep_new_page(page, 2, True, False)
    pages.st(page + 128 + pages.o_compound, page + 64)
    with pytest.raises(BadPage, match="first_page not consistent"):
        pages.put_page(page)


def test_a_corrupt_list_is_noticed_before_it_is_followed() -> None:
    pages, zone = one_zone(Pages, 0x40000, 0x40400)
    put(pages, (0x40000, 0, MOVABLE_61), (0x40002, 0, MOVABLE_61))
    pages.st(pages.pfn_to_page(0x40002) + pages.o_lru + 8, 0)
    with pytest.raises(KernelBug, match="list_del corruption"):
        pages._rmqueue_smallest(zone, 0, MOVABLE_61)
