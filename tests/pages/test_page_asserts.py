"""Each assertion of the allocator fires: what a debug kernel would stop at, the twin stops at."""

from collections.abc import Callable

import pytest
from zones import one_zone, put

from mmtwin.machine.bug import KernelBug, KernelWarning
from mmtwin.pages.pages import Pages

FIRST = 0x40000


def used(pages: Pages, zone: int, pfn: int = FIRST, order: int = 0, kind: int = 1) -> None:
    pages._free_one_page(pages.pfn_to_page(pfn), pfn, zone, order, kind, 0)


def flagged(pages: Pages, zone: int) -> None:
    page = pages.pfn_to_page(FIRST)
    pages.st(page, pages.ld(page) | pages.flag_lru)
    used(pages, zone)


def referenced_buddy(pages: Pages, zone: int) -> None:
    put(pages, (FIRST, 0, 1))
    pages.page_ref_add(pages.pfn_to_page(FIRST), 1)
    used(pages, zone, FIRST + 1)


def unlisted(pages: Pages, zone: int) -> None:
    put(pages, (FIRST, 0, 1))
    entry = pages.pfn_to_page(FIRST) + pages.o_lru
    pages.list_del(entry)
    pages.list_del(entry)


def compound(pages: Pages) -> int:
    put(pages, (FIRST, 6, 1))
    gfp = pages.era.gfp.value("GFP_HIGHUSER_MOVABLE|__GFP_COMP")
    return int(pages.alloc_pages(gfp, 2))


def nofail(pages: Pages, zone: int) -> None:
    put(pages, (FIRST, 6, 1))
    pages.alloc_pages(pages.era.gfp.value("GFP_KERNEL|__GFP_NOFAIL"), 2)


CASES: dict[str, Callable[[Pages, int], object]] = {
    r"pfn & \(\(1 << order\) - 1\)": lambda pages, zone: used(pages, zone, FIRST + 1, 1),
    "PAGE_FLAGS_CHECK_AT_PREP": flagged,
    "migratetype == -1": lambda pages, zone: used(pages, zone, kind=-1),
    r"bad_range\(zone, page\)": lambda pages, zone: used(pages, zone, FIRST - 1),
    r"page_count\(buddy\) != 0": referenced_buddy,
    "GFP_ZONE_BAD": lambda pages, zone: pages.gfp_zone(3),
    "MOVABLE and RECLAIMABLE asked for at once": lambda pages, zone: pages.gfp_migratetype(0x18),
    "!PageBuddy": lambda pages, zone: pages._isolate_free_page(pages.pfn_to_page(FIRST), 0),
    r"page_ref_count\(page\) \(page": lambda pages, zone: pages.set_page_refcounted(
        pages.pfn_to_page(FIRST)
    ),
    "is in no list": unlisted,
    "order != pageblock_order": lambda pages, zone: pages.order_to_pindex(1, 5),
    r"PageTail\(page\)": lambda pages, zone: pages.free_unref_page(compound(pages) + 64, 0),
    r"PageCompound\(page\)": lambda pages, zone: pages.split_page(compound(pages), 2),
    "__GFP_NOFAIL": nofail,
    "__GFP_ATOMIC and __GFP_DIRECT_RECLAIM": lambda pages, zone: pages.alloc_pages(
        pages.era.gfp.value("GFP_KERNEL|__GFP_ATOMIC"), 0
    ),
    "order >= MAX_ORDER": lambda pages, zone: pages.alloc_pages(
        pages.era.gfp.value("GFP_KERNEL"), 11
    ),
}


@pytest.mark.parametrize("condition", CASES)
def test_the_assertion_fires(condition: str) -> None:
    pages, zone = one_zone(Pages, FIRST, FIRST + 0x1000)
    with pytest.raises((KernelBug, KernelWarning), match=condition):
        CASES[condition](pages, zone)
