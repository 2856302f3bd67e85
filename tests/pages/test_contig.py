"""Isolation, CMA and ranges of pageblocks."""

import errno

import pytest
from zones import block, listed, one_zone, put

from mmtwin.pages.pages import Pages
from mmtwin.pages.v3_15 import Pages315
from mmtwin.pages.v6_18 import Pages618


@pytest.mark.parametrize("kind", [Pages, Pages618])
def test_isolating_half_of_a_chunk_leaves_the_other_half_free(kind: type[Pages]) -> None:
    pages, zone = one_zone(kind, 0x40000, 0x40400)
    movable, isolate = pages.mt_movable, pages.mt_isolate
    put(pages, (0x40000, 10, movable))
    assert pages.start_isolate_page_range(0x40200, 0x40400, movable) == 0
    assert listed(pages, zone) == [(0x40000, 9, movable), (0x40200, 9, isolate)]
    assert pages.nr_free_pages(zone) == 512
    pages.undo_isolate_page_range(0x40200, 0x40400, movable)
    assert listed(pages, zone) == [(0x40000, 10, movable)]
    assert pages.nr_free_pages(zone) == 1024


def test_a_block_with_unmovable_pages_is_busy() -> None:
    pages, _ = one_zone(Pages, 0x40000, 0x40400)
    assert pages.set_migratetype_isolate(pages.pfn_to_page(0x40000), 1) == -errno.EBUSY


@pytest.mark.parametrize("kind", [Pages315, Pages, Pages618])
def test_a_range_is_allocated_whole_and_freed_again(kind: type[Pages]) -> None:
    pages, zone = one_zone(kind, 0x40000, 0x40800)
    put(pages, (0x40000, 10, pages.mt_movable), (0x40400, 10, pages.mt_movable))
    assert pages.alloc_contig_range(0x40010, 0x40310, pages.mt_movable) == 0
    assert pages.nr_free_pages(zone) + pages.pcp_view(zone, 0).count == 2048 - 0x300
    pages.free_contig_range(0x40010, 0x300)
    pages.drain_all_pages(0)
    assert [order for _, order, _ in listed(pages, zone)] == [10, 10]


def test_only_movable_requests_get_cma_pages() -> None:
    pages, zone = one_zone(Pages, 0x40000, 0x40400)
    block(pages, 0x40000, pages.mt_cma)
    put(pages, (0x40000, 9, pages.mt_cma))
    assert pages.zone_view(zone).nr_free_cma == 512
    assert pages.alloc_pages(0x100CCA, 0)
    assert pages.alloc_pages(0x2CC0, 0) == 0
    assert pages.alloc_contig_range(0x40000, 0x40200, pages.mt_cma) == -errno.EBUSY


def test_highatomic_blocks_follow_order_one_atomic_requests() -> None:
    pages = Pages.of_ram(512 << 20)
    zone = pages.zone_at(0, 1)
    while pages.alloc_pages(0x100CCA | 0x2000, 3):
        pass
    page = pages.alloc_pages(0xA20, 1)
    assert page
    assert pages.get_pageblock_migratetype(page) == pages.mt_highatomic
    assert pages.zone_view(pages.page_zone(page)).nr_reserved_highatomic == 512
    assert pages.zone_view(zone).name == "DMA32"
