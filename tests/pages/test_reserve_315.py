"""The MIGRATE_RESERVE stories of the spring of 2014, each ending as it was told."""

import pytest
from zones import (
    MOVABLE,
    RESERVE,
    UNMOVABLE,
    Trace,
    block,
    free_chunk,
    listed,
    one_zone,
    put,
)

from mmtwin.pages.bug import PageBug
from mmtwin.pages.freepage_migratetype import CheckedPlacement, PreventMisplaced
from mmtwin.pages.v3_15 import Pages315

HIGHUSER_MOVABLE = 0x200DA
KERNEL = 0xD0


def misplaced(pages: Pages315, zone: int) -> int:
    """Pages of RESERVE blocks on other lists."""
    return sum(
        1
        for pfn, order, migratetype in listed(pages, zone)
        for page in range(pfn, pfn + (1 << order))
        if migratetype != RESERVE and pages.get_pfnblock_migratetype(page) == RESERVE
    )


def set_min(pages: Pages315, zone: int, pages_min: int) -> None:
    """Write min_free_kbytes so that the one zone's MIN mark is that many pages."""
    pages.min_free_kbytes_sysctl(4 * pages_min)


@pytest.mark.parametrize(("kind", "astray"), [(Pages315, 31), (PreventMisplaced, 0)])
def test_reserve_pages_taken_as_a_last_resort_come_back_as_what_was_asked_for(
    kind: type[Pages315], astray: int
) -> None:
    pages, zone = one_zone(kind, 0x40000, 0x40400)
    block(pages, 0x40000, RESERVE)
    block(pages, 0x40200, RESERVE)
    put(pages, (0x40000, 10, RESERVE))
    pages.zone_view(zone).nr_migrate_reserve_block = 2
    pcp = pages.pcp_view(zone, 0)
    pcp.batch = 31
    pcp.high = 186
    first = pages.rmqueue(zone, 0, HIGHUSER_MOVABLE, 0, MOVABLE)
    assert pages.page_to_pfn(first) == 0x40000
    assert pcp.count == 30
    pages.drain_all_pages(0)
    assert misplaced(pages, zone) == astray


def freed_movable_half(kind: type[Pages315]) -> tuple[Pages315, int]:
    """A free RESERVE block, and behind it a MOVABLE one that is freed as a whole."""
    pages, zone = one_zone(kind, 0x3D000, 0x3D400)
    block(pages, 0x3D000, RESERVE)
    put(pages, (0x3D000, 9, RESERVE))
    pages.zone_view(zone).nr_migrate_reserve_block = 1
    free_chunk(pages, 0x3D200, 9)
    return pages, zone


def test_freeing_the_movable_half_drags_the_reserve_block_to_the_movable_list() -> None:
    pages, zone = freed_movable_half(CheckedPlacement)
    assert listed(pages, zone) == [(0x3D000, 10, MOVABLE)]
    assert misplaced(pages, zone) == 512
    with pytest.raises(PageBug, match="block type 3, cached type 2") as bug:
        pages.rmqueue(zone, 0, HIGHUSER_MOVABLE, 0, MOVABLE)
    assert bug.value.where == "rmqueue_bulk"
    assert bug.value.page == 0xFFFFEA0000F40000


def test_without_the_check_the_movable_request_eats_the_reserve() -> None:
    pages, zone = freed_movable_half(Pages315)
    page = pages.rmqueue(zone, 0, HIGHUSER_MOVABLE, 0, MOVABLE)
    assert pages.page_to_pfn(page) == 0x3D000


def became_reserve(kind: type[Pages315]) -> tuple[Pages315, int]:
    """A block becomes RESERVE while 100 of its pages are on a per-cpu list."""
    pages, zone = one_zone(kind, 0x40000, 0x40400)
    block(pages, 0x40000, RESERVE)
    put(pages, (0x40000, 9, RESERVE))
    pages.zone_view(zone).nr_migrate_reserve_block = 1
    pages.memory.store(zone + 56, 512)
    pages.pcp_view(zone, 0).high = 186
    for pfn in range(0x40200, 0x40200 + 100):
        pages.free_pages(pages.pfn_to_page(pfn), 0)
    set_min(pages, zone, 513)
    assert pages.get_pfnblock_migratetype(0x40200) == RESERVE
    return pages, zone


def test_a_drain_after_the_sysctl_is_caught_at_the_oldest_page() -> None:
    pages, _ = became_reserve(CheckedPlacement)
    with pytest.raises(PageBug) as bug:
        pages.drain_all_pages(0)
    assert (bug.value.where, bug.value.pfn) == ("free_pcppages_bulk", 0x40200)


def test_without_the_check_the_drained_pages_are_misplaced() -> None:
    pages, zone = became_reserve(PreventMisplaced)
    pages.drain_all_pages(0)
    assert misplaced(pages, zone) == 100


def test_pages_that_are_used_again_before_a_drain_trip_no_check() -> None:
    pages, zone = became_reserve(CheckedPlacement)
    for _ in range(100):
        assert pages.rmqueue(zone, 0, HIGHUSER_MOVABLE, 0, MOVABLE)
    assert pages.pcp_view(zone, 0).count == 0


def test_a_block_whose_chunk_begins_in_the_block_before_is_retyped_but_not_moved() -> None:
    pages, zone = one_zone(Pages315, 0x40000, 0x40400)
    block(pages, 0x40000, UNMOVABLE)
    put(pages, (0x40000, 10, MOVABLE))
    set_min(pages, zone, 1)
    assert pages.get_pfnblock_migratetype(0x40200) == RESERVE
    assert listed(pages, zone) == [(0x40000, 10, MOVABLE)]


def test_a_chunk_that_begins_in_the_block_takes_the_next_block_along() -> None:
    pages, zone = one_zone(Pages315, 0x40000, 0x40400)
    put(pages, (0x40000, 10, MOVABLE))
    set_min(pages, zone, 1)
    assert pages.get_pfnblock_migratetype(0x40000) == RESERVE
    assert pages.get_pfnblock_migratetype(0x40200) == MOVABLE
    assert listed(pages, zone) == [(0x40000, 10, RESERVE)]
    assert pages.move_freepages_block(zone, pages.pfn_to_page(0x40000), RESERVE) == 1024


def test_stealing_the_merged_chunk_takes_the_reserve_block_for_good() -> None:
    pages, zone = freed_movable_half(Pages315)
    pages.tracer = trace = Trace()
    pages.memory.store(zone + 56, 1)
    assert pages.rmqueue(zone, 0, KERNEL, 0, UNMOVABLE)
    assert trace.extfrag() == [(0, 10, UNMOVABLE, MOVABLE, 1)]
    assert pages.get_pfnblock_migratetype(0x3D000) == UNMOVABLE
    assert pages.get_pfnblock_migratetype(0x3D200) == UNMOVABLE
    set_min(pages, zone, 2)
    assert pages.zone_view(zone).nr_migrate_reserve_block == 1
    assert pages.get_pfnblock_migratetype(0x3D000) == UNMOVABLE


def test_a_smaller_reserve_gives_the_second_block_back_but_not_its_pages() -> None:
    pages, zone = one_zone(Pages315, 0x40000, 0x40400)
    block(pages, 0x40000, RESERVE)
    block(pages, 0x40200, RESERVE)
    put(pages, (0x40000, 10, RESERVE))
    pages.zone_view(zone).nr_migrate_reserve_block = 2
    set_min(pages, zone, 1)
    assert pages.get_pfnblock_migratetype(0x40200) == MOVABLE
    assert listed(pages, zone) == [(0x40000, 10, RESERVE)]


def test_the_rest_of_a_split_chunk_stays_on_the_list_it_was_stolen_from() -> None:
    pages, zone = one_zone(Pages315, 0x40000, 0x40400)
    put(pages, (0x40100, 7, MOVABLE), (0x40040, 6, MOVABLE))
    pages.tracer = trace = Trace()
    pages.pcp_view(zone, 0).batch = 1
    assert pages.rmqueue(zone, 0, KERNEL | 0x80000, 0, 1)
    assert trace.extfrag() == [(0, 7, 1, MOVABLE, 0)]
    assert listed(pages, zone) == [
        (0x40040, 6, 1),
        *[(0x40100 + (1 << order), order, MOVABLE) for order in range(7)],
    ]
    assert pages.get_pfnblock_migratetype(0x40100) == MOVABLE


@pytest.mark.parametrize(("pages_min", "need"), [(0, 0), (1, 1), (512, 1), (513, 2), (2000, 2)])
def test_the_number_of_reserve_blocks_follows_the_min_mark(pages_min: int, need: int) -> None:
    pages, zone = one_zone(Pages315, 0x40000, 0x40000 + 8 * 512)
    put(pages, *[(0x40000 + 1024 * nth, 10, MOVABLE) for nth in range(4)])
    set_min(pages, zone, pages_min)
    types = [pages.get_pfnblock_migratetype(0x40000 + 512 * nth) for nth in range(8)]
    assert types.count(RESERVE) == need
    assert pages.zone_view(zone).nr_migrate_reserve_block == need
