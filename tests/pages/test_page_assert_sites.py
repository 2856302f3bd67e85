"""The remaining assertions of the allocator and of pages in use, each made to fire by damage.

Every case takes a sound machine, breaks one word of it or calls what must not be called then, and
names the condition that a debug kernel prints.
"""

from collections.abc import Callable

import pytest
from zones import block, free_chunk, one_zone, put

from mmtwin.machine.bug import KernelBug, KernelWarning
from mmtwin.pages import layouts as c
from mmtwin.pages import slowpath
from mmtwin.pages.freepage_migratetype import CheckedPlacement
from mmtwin.pages.pages import Pages
from mmtwin.pages.v3_15 import Pages315
from mmtwin.pages.v6_18 import Pages618

FIRST = 0x40000
Case = Callable[[Pages, int], object]


def page(pages: Pages, nth: int = 0) -> int:
    return int(pages.pfn_to_page(FIRST + nth))


def taken(pages: Pages, flags: str, order: int = 0) -> int:
    """A chunk from a free block."""
    put(pages, (FIRST, 9, 2))
    got = int(pages.alloc_pages(pages.era.gfp.value(flags), order))
    assert got
    return got


def compound(pages: Pages) -> int:
    return taken(pages, "GFP_KERNEL|__GFP_COMP", 2)


def of_other_zone(pages: Pages, at: int) -> None:
    """The page's flags name zone DMA."""
    pages.st(at, pages.ld(at) & ~(7 << c.ZONE_SHIFT))


# memmap.


def put_free(pages: Pages, zone: int) -> None:
    put(pages, (FIRST, 0, 2))
    pages.put_page_testzero(page(pages))


def get_free(pages: Pages, zone: int) -> None:
    put(pages, (FIRST, 0, 2))
    pages.get_page(page(pages))


def tail_referenced(pages: Pages, zone: int) -> None:
    pages.set_page_refcounted(compound(pages) + 64)


def marked_twice(pages: Pages, zone: int) -> None:
    put(pages, (FIRST, 0, 2))
    pages.set_buddy_order(page(pages), 0)


def unmarked_twice(pages: Pages, zone: int) -> None:
    put(pages, (FIRST, 0, 2))
    pages.st(page(pages) + pages.o_counts, pages.word_free)
    pages.del_page_from_free_list(page(pages), zone, 0, 2)


def added_twice(pages: Pages, zone: int) -> None:
    head = pages.lru_list(0, 0)
    pages.list_add(head, head)


def not_neighbours(pages: Pages, zone: int) -> None:
    put(pages, (FIRST, 0, 2))
    pages.st(page(pages) + pages.o_lru + 8, pages.lru_list(0, 0))
    pages.list_add(page(pages, 8) + pages.o_lru, pages.free_list(zone, 0, 2))


def neighbours_elsewhere(pages: Pages, zone: int) -> None:
    put(pages, (FIRST, 0, 2), (FIRST + 2, 0, 2))
    pages.st(page(pages, 2) + pages.o_lru + 8, pages.lru_list(0, 0))
    pages.list_del(page(pages) + pages.o_lru)


# buddy, fallback, freelist, isolation, pageblock.


def expand_into_other_zone(pages: Pages, zone: int) -> None:
    put(pages, (FIRST, 9, 2))
    of_other_zone(pages, page(pages, 256))
    pages.alloc_pages(pages.era.gfp.value("GFP_HIGHUSER_MOVABLE"), 8)


def move_other_zone(pages: Pages, zone: int) -> None:
    put(pages, (FIRST, 3, 2))
    of_other_zone(pages, page(pages))
    pages.move_freepages_block(zone, page(pages), 0)


def no_such_type(pages: Pages, zone: int) -> None:
    pages.add_to_free_list(page(pages), zone, 0, 7)


def not_aligned(pages: Pages, zone: int) -> None:
    pages.isolate_single_pageblock(FIRST + 1, False, False, 2)


def block_beyond_memory(pages: Pages, zone: int) -> None:
    pages.set_pageblock_migratetype(pages.pfn_to_page(pages.frames), 0)


# prep.


def handed_out_mapped(pages: Pages, zone: int) -> None:
    put(pages, (FIRST, 9, 2))
    pages.st(page(pages) + pages.o_mapping, 0x1000)
    pages.alloc_pages(pages.era.gfp.value("GFP_KERNEL"), 4)


def freed_dirty(flag: str) -> Case:
    def case(pages: Pages, zone: int) -> None:
        at = taken(pages, "GFP_KERNEL", 2)
        pages.set_page_flag(at + 64, 1 << pages.era.page_flags[flag])
        pages.free_pages(at, 2)

    return case


def freed_mapped(pages: Pages, zone: int) -> None:
    at = taken(pages, "GFP_KERNEL", 2)
    pages.st(at + 64 + pages.o_mapping, 0x1000)
    pages.free_pages(at, 2)


def freed_referenced(pages: Pages, zone: int) -> None:
    at = taken(pages, "GFP_KERNEL", 2)
    pages.page_ref_add(at + 64, 1)
    pages.free_pages(at, 2)


def tail_lost(pages: Pages, zone: int) -> None:
    at = compound(pages)
    pages.st(at + 128 + pages.o_compound, 0)
    pages.free_pages(at, 2)


def tail_of_another(pages: Pages, zone: int) -> None:
    at = compound(pages)
    pages.st(at + 128 + pages.o_compound, at + 64 * 16 | 1)
    pages.free_pages(at, 2)


def tail_mapped(pages: Pages, zone: int) -> None:
    at = compound(pages)
    pages.st(at + 128 + pages.o_mapping, 0x1000)
    pages.free_pages(at, 2)


def wrong_order(pages: Pages, zone: int) -> None:
    pages.free_the_page(compound(pages), 3)


def split_unreferenced(pages: Pages, zone: int) -> None:
    at = taken(pages, "GFP_KERNEL", 2)
    pages.page_ref_add(at, -1)
    pages.split_page(at, 2)


# Per-cpu lists and requests.


def miscounted_pcp(pages: Pages, zone: int) -> None:
    at = taken(pages, "GFP_KERNEL")
    pages.free_pages(at, 0)
    pcp = pages.pcp_view(zone, 0)
    pcp.count = pcp.get("count") + 5
    pages.drain_all_pages(0)


def isolated_on_pcp(pages: Pages, zone: int) -> None:
    at = taken(pages, "GFP_KERNEL")
    pages.free_pages(at, 0)
    pages.st(at + pages.o_index, pages.mt_isolate)
    pages.drain_all_pages(0)


def request_of_other_zone(pages: Pages, zone: int) -> None:
    at = taken(pages, "GFP_KERNEL")
    pages.free_pages(at, 0)
    of_other_zone(pages, at)
    pages.alloc_pages(pages.era.gfp.value("GFP_KERNEL"), 0)


def nofail_atomic(pages: Pages, zone: int) -> None:
    pages.alloc_pages(pages.era.gfp.value("__GFP_NOFAIL|__GFP_NOWARN"), 0)


# Pages in use.


def unlocked_twice(pages: Pages, zone: int) -> None:
    pages.unlock_page(page(pages))


def listed_twice(pages: Pages, zone: int) -> None:
    pages.folio_add_lru(page(pages))
    pages.folio_add_lru(page(pages))


def swapping(pages: Pages) -> int:
    """A page that is in the swap cache, and its slot."""
    pages.swapon(16)
    pages.set_page_flag(page(pages), pages.pg_swapbacked)
    assert pages.add_to_swap(page(pages))
    return int(pages.page_private(page(pages)))


def bad_slot(pages: Pages, zone: int) -> None:
    swapping(pages)
    pages.swap_free(16)


def free_slot_duplicated(pages: Pages, zone: int) -> None:
    pages.swap_duplicate(swapping(pages) + 1)


def slot_freed_twice(pages: Pages, zone: int) -> None:
    pages.swap_free(swapping(pages))


def slot_of_two_pages(pages: Pages, zone: int) -> None:
    pages.add_to_swap_cache(page(pages, 1), swapping(pages))


def prepared_twice(pages: Pages, zone: int) -> None:
    pages.swapcache_prepare(swapping(pages))


def cache_has_another(pages: Pages, zone: int) -> None:
    swapping(pages)
    pages.st(page(pages) + pages.o_private, 9)
    pages.delete_from_swap_cache(page(pages))


def cache_moves_another(pages: Pages, zone: int) -> None:
    swapping(pages)
    pages.st(page(pages) + pages.o_private, 9)
    pages.replace_in_swap_cache(page(pages), page(pages, 1))


def slot_out_of_cache_twice(pages: Pages, zone: int) -> None:
    slot = swapping(pages)
    pages.put_swap_folio(slot)
    pages.put_swap_folio(slot)


CASES: dict[str, tuple[str, Case]] = {
    "put_page_testzero": (r"page_ref_count\(page\) == 0 ", put_free),
    "get_page": (r"page_ref_count\(page\) <= 0", get_free),
    "set_page_refcounted": (r"PageTail\(page\)", tail_referenced),
    "__SetPageBuddy": ("__SetPageBuddy|_mapcount", marked_twice),
    "__ClearPageBuddy": (r"!PageBuddy\(page\)", unmarked_twice),
    "__list_add twice": ("list_add double add", added_twice),
    "__list_add": ("are not neighbours", not_neighbours),
    "__list_del_entry": ("lead elsewhere", neighbours_elsewhere),
    "expand": (r"bad_range\(zone, &page\[size\]\)", expand_into_other_zone),
    "move_freepages": (r"page_zone\(page\) != zone", move_other_zone),
    "free_list": ("array-index-out-of-bounds", no_such_type),
    "isolate_single_pageblock": ("pageblock_aligned", not_aligned),
    "set_pfnblock_flags_mask": ("zone_spans_pfn", block_beyond_memory),
    "check_new_page": ("non-NULL mapping", handed_out_mapped),
    "free_page_is_bad flags": ("PAGE_FLAGS_CHECK_AT_FREE", freed_dirty("locked")),
    "free_page_is_bad active": ("PAGE_FLAGS_CHECK_AT_FREE", freed_dirty("active")),
    "free_page_is_bad mapping": ("non-NULL mapping", freed_mapped),
    "free_page_is_bad count": ("nonzero _refcount", freed_referenced),
    "free_tail_pages_check": ("PageTail not set", tail_lost),
    "free_tail_pages_check head": ("compound_head not consistent", tail_of_another),
    "free_tail_pages_check mapping": ("corrupted mapping in tail page", tail_mapped),
    "free_pages_prepare": (r"compound_order\(page\) != order", wrong_order),
    "split_page": (r"!page_count\(page\)", split_unreferenced),
    "free_pcppages_bulk count": ("pcp->count exceeds", miscounted_pcp),
    "free_pcppages_bulk": (r"is_migrate_isolate\(mt\)", isolated_on_pcp),
    "rmqueue": (r"page && bad_range\(zone, page\)", request_of_other_zone),
    "slowpath nofail atomic": ("__GFP_NOFAIL from who may not wait", nofail_atomic),
    "unlock_page": (r"!PageLocked\(page\)", unlocked_twice),
    "folio_add_lru": (r"folio_test_lru\(folio\)", listed_twice),
    "_swap_info_get": ("Bad swap offset entry 0x10", bad_slot),
    "__swap_duplicate": ("swap_duplicate of a free slot", free_slot_duplicated),
    "__swap_entry_free": ("Unused swap offset entry", slot_freed_twice),
    "add_to_swap_cache": ("holds a page for the slot", slot_of_two_pages),
    "swapcache_prepare": ("in the cache", prepared_twice),
    "__delete_from_swap_cache": (
        "__delete_from_swap_cache: the swap cache has another",
        cache_has_another,
    ),
    "migrate_folio": ("migrate_folio: the swap cache has another", cache_moves_another),
    "put_swap_folio": ("SWAP_HAS_CACHE", slot_out_of_cache_twice),
}


@pytest.mark.parametrize("site", CASES)
def test_the_assertion_fires(site: str) -> None:
    pages, zone = one_zone(Pages, FIRST, FIRST + 0x1000)
    condition, case = CASES[site]
    with pytest.raises((KernelBug, KernelWarning), match=condition):
        case(pages, zone)


def test_a_request_that_must_not_fail_does_not_go_on_forever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slowpath, "ROUNDS_MAX", 2)
    pages, _ = one_zone(Pages, FIRST, FIRST + 0x400)
    with pytest.raises(KernelWarning, match="retries forever"):
        pages.alloc_pages(pages.era.gfp.value("GFP_KERNEL|__GFP_NOFAIL"), 0)


def both_types(pages: Pages, zone: int) -> None:
    pages.alloc_pages(pages.era.gfp.value("__GFP_MOVABLE|__GFP_RECLAIMABLE"), 0)


def nofail_large(pages: Pages, zone: int) -> None:
    put(pages, (FIRST, 9, 2))
    pages.alloc_pages(pages.era.gfp.value("GFP_KERNEL|__GFP_NOFAIL"), 2)


def wrong_list(pages: Pages, zone: int) -> None:
    put(pages, (FIRST, 0, 2))
    block(pages, FIRST, 0)
    free_chunk(pages, FIRST + 1, 0)
    pages.drain_all_pages(0)


def unreserved_too_much(pages: Pages, zone: int) -> None:
    pages.uncount_reserved(zone, page(pages), 512)  # type: ignore[attr-defined]


def reserve_misplaced(pages: Pages, zone: int) -> None:
    put(pages, (FIRST, 0, 2))
    block(pages, FIRST, pages.mt_reserve)
    pages.alloc_pages(pages.era.gfp.value("GFP_HIGHUSER_MOVABLE"), 0)


ERAS: dict[str, tuple[type[Pages], str, Case]] = {
    "3.15 allocflags_to_migratetype": (Pages315, "asked for at once", both_types),
    "3.15 buffered_rmqueue nofail": (Pages315, r"order > 1", nofail_large),
    "3.15 buffered_rmqueue": (Pages315, r"bad_range\(zone, page\)", request_of_other_zone),
    "3.15 free_pcppages_bulk": (Pages315, "pcp->count exceeds", miscounted_pcp),
    "3.15 check_freepage": (CheckedPlacement, "check_freepage_migratetype", reserve_misplaced),
    "6.18 list of another type": (Pages618, "passed migratetype is", wrong_list),
    "6.18 unreserve_highatomic": (Pages618, "512 pages unreserved of 0", unreserved_too_much),
}


@pytest.mark.parametrize("site", ERAS)
def test_the_assertion_of_an_era_fires(site: str) -> None:
    kind, condition, case = ERAS[site]
    pages, zone = one_zone(kind, FIRST, FIRST + 0x1000)
    with pytest.raises((KernelBug, KernelWarning), match=condition):
        case(pages, zone)
