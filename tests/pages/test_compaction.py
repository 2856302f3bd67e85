"""Compaction: scattered free pages become chunks, and nobody's page is lost on the way."""

import pytest

from mmtwin.check.page_step import PageStepCheck
from mmtwin.pages import layouts as c
from mmtwin.pages.compaction import COMPACT_DEFERRED, COMPACT_SKIPPED, COMPACT_SUCCESS
from mmtwin.pages.owner import Owner
from mmtwin.pages.pages import Pages
from mmtwin.pages.v3_15 import Pages315
from mmtwin.pages.v6_18 import Pages618

KINDS = (Pages315, Pages, Pages618)


def scattered(kind: type[Pages], *, every: int = 2) -> tuple[Pages, Owner]:
    """A machine whose memory is mapped but for one page in ``every``."""
    pages = kind.of_ram(32 << 20)
    owner = Owner(pages, 8192)
    taken = 0
    while taken < owner.slots and sum(map(pages.nr_free_pages, pages.populated_zones())) > 600:
        owner.touch(taken)
        pages.memory.store(pages.page_address(owner.page(taken)), taken + 1)
        taken += 1
    for slot in range(0, taken, every):
        owner.forget(slot)
    pages.drain_all_pages(0)
    return pages, owner


def contents_are_right(pages: Pages, owner: Owner) -> bool:
    return all(
        pages.memory.load(pages.page_address(page)) == slot + 1
        for slot in range(owner.slots)
        if (page := owner.page(slot))
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_request_that_may_wait_gets_a_chunk(kind: type[Pages]) -> None:
    pages, owner = scattered(kind)
    gfp = pages.era.gfp.value("GFP_KERNEL") | pages.gfp_nowarn
    assert max(order for order in range(11) if _heads(pages, order)) < 9
    page = pages.alloc_pages(gfp | pages.gfp_movable, 9)
    assert page
    assert pages.page_to_pfn(page) % 512 == 0
    assert pages.vm_event("pgmigrate_success") > 100
    assert pages.vm_event("compact_success") + pages.vm_event("compact_daemon_wake") > 0
    assert contents_are_right(pages, owner)
    pages.free_pages(page, 9)
    assert not PageStepCheck(pages, reserve=False).full()


def _heads(pages: Pages, order: int) -> int:
    return sum(pages.nr_free(zone, order) for zone in pages.populated_zones())


@pytest.mark.parametrize("kind", KINDS)
def test_who_may_not_wait_gets_none(kind: type[Pages]) -> None:
    pages, _ = scattered(kind)
    assert not pages.alloc_pages(pages.era.gfp.value("GFP_NOWAIT") | pages.gfp_nowarn, 9)
    assert not pages.vm_event("pgmigrate_success")


def test_pinned_pages_stay_where_they_are() -> None:
    pages, owner = scattered(Pages)
    pinned = [slot for slot in range(owner.slots) if owner.page(slot)][::16]
    frames = {slot: owner.page(slot) for slot in pinned}
    for page in frames.values():
        pages.get_page(page)
    pages.compact_memory()
    assert pages.vm_event("pgmigrate_success")
    assert all(owner.page(slot) == page for slot, page in frames.items())
    assert contents_are_right(pages, owner)
    assert not PageStepCheck(pages).full()


def test_a_page_in_the_swap_cache_takes_its_slot_along() -> None:
    pages = Pages.of_ram(16 << 20, room=(64 << 12) + (1 << 20))
    pages.swapon(64)
    owner = Owner(pages, 10)
    owner.touch(3)
    page = owner.page(3)
    pages.add_to_swap(page)
    entry = pages.page_private(page)
    new = pages.alloc_pages(owner.gfp, 0)
    assert pages.folio_isolate_lru(page)
    assert pages.unmap_and_move(page, new)
    assert owner.page(3) == new
    assert pages.lookup_swap_cache(entry) == new
    assert pages.page_ref_count(page) == 0
    assert pages.page_ref_count(new) == 2
    assert not PageStepCheck(pages).full()


def test_compaction_that_does_not_help_is_put_off() -> None:
    pages, owner = scattered(Pages)
    for slot in range(owner.slots):
        if owner.page(slot):
            pages.get_page(owner.page(slot))
    kernel, zonelist = pages.era.gfp.value("GFP_KERNEL"), pages.zonelist(0)
    for _ in range(3):
        pages.try_to_compact_pages(kernel, 9, 0, 2, zonelist, 1)
    zone = pages.populated_zones()[-1]
    shift = pages.zone_view(zone).get("compact_defer_shift")
    assert shift > 0
    assert pages.try_to_compact_pages(kernel, 9, 0, 2, zonelist, 1) <= COMPACT_DEFERRED
    pages.compaction_defer_reset(zone, 9, True)
    assert pages.zone_view(zone).get("compact_defer_shift") == 0


def test_a_zone_without_room_is_skipped_and_one_with_chunks_is_done() -> None:
    pages, _ = scattered(Pages)
    zone = pages.populated_zones()[-1]
    assert pages.compaction_suitable(zone, 0, 0, 2) == COMPACT_SUCCESS
    nowait = pages.era.gfp.value("GFP_NOWAIT") | pages.gfp_nowarn
    while pages.alloc_pages(nowait, 0):
        pass
    assert pages.compaction_suitable(zone, 3, 0, 2) == COMPACT_SKIPPED


def test_the_index_tells_lack_of_memory_from_fragmentation() -> None:
    pages, _ = scattered(Pages)
    zone = pages.populated_zones()[-1]
    assert pages.fragmentation_index(zone, 0) == -1000
    assert pages.fragmentation_index(zone, 9) > 500


def test_kswapd_leaves_chunks_to_kcompactd() -> None:
    pages, owner = scattered(Pages)
    zone = pages.populated_zones()[-1]
    pages.wakeup_kcompactd(0, 4, 2)
    assert pages.run_daemons()
    assert pages.vm_event("compact_daemon_wake") == 1
    assert any(pages.nr_free(zone, order) for order in range(4, 11))
    assert contents_are_right(pages, owner)


@pytest.mark.parametrize("kind", [Pages, Pages618])
def test_a_contiguous_range_is_taken_although_pages_in_it_are_in_use(kind: type[Pages]) -> None:
    pages, owner = scattered(kind)
    zone = pages.populated_zones()[-1]
    start = pages.zone_start_pfn(zone) + 1024
    assert pages.alloc_contig_range(start, start + 512, pages.mt_movable) == 0
    assert contents_are_right(pages, owner)
    frames = {pages.page_to_pfn(owner.page(s)) for s in range(owner.slots) if owner.page(s)}
    assert not any(start <= pfn < start + 512 for pfn in frames)
    pages.free_contig_range(start, 512)
    assert not PageStepCheck(pages).full()


def test_one_pinned_page_makes_a_range_busy() -> None:
    pages, owner = scattered(Pages)
    zone = pages.populated_zones()[-1]
    start = pages.zone_start_pfn(zone) + 1024
    page = next(
        page
        for slot in range(owner.slots)
        if (page := owner.page(slot)) and start <= pages.page_to_pfn(page) < start + 512
    )
    pages.get_page(page)
    assert pages.alloc_contig_range(start, start + 512, pages.mt_movable) < 0
    assert contents_are_right(pages, owner)
    assert not PageStepCheck(pages).full()


def test_a_chunk_freed_while_its_compactor_waits_is_captured() -> None:
    pages = Pages.of_ram(32 << 20)
    kernel = pages.era.gfp.value("GFP_KERNEL")
    page = pages.alloc_pages(kernel, 4)
    zone = pages.page_zone(page)
    block = page - page % (64 << 9) + (c.VMEMMAP % (64 << 9))
    pages.set_pageblock_migratetype(block, pages.mt_unmovable)
    pages.capture_zone, pages.capture_order = zone, 4
    free = pages.nr_free_pages(zone)
    pages.free_pages(page, 4)
    pages.capture_zone = 0
    assert pages.captured == page
    assert pages.nr_free_pages(zone) == free
    pages.captured = 0
    pages.take_captured(page, 4, kernel)
    pages.free_pages(page, 4)
    assert not PageStepCheck(pages).full()
