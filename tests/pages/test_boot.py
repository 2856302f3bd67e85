"""Boot: zones, marks, reserves, and memory maps that nobody has to write."""

from itertools import pairwise

import pytest
from zones import listed

from mmtwin.memory.memory import Memory
from mmtwin.pages.pages import Pages, boot_memory
from mmtwin.pages.v3_15 import Pages315
from mmtwin.pages.zone import ZoneSpec, x86_64_zones

GIB = 1 << 30
GFP_KERNEL = 0xCC0
HIGHUSER_MOVABLE = 0x100CCA


@pytest.mark.parametrize(("mib", "kbytes"), [(16, 512), (1024, 4096), (16384, 16384)])
def test_min_free_kbytes_is_four_times_the_root_of_lowmem(mib: int, kbytes: int) -> None:
    pages = Pages.of_ram(mib << 20)
    assert abs(pages.min_free_kbytes() - kbytes) <= 1


def test_watermarks_and_reserves_of_the_worked_example() -> None:
    sizes = {0: 3977, 1: 757000, 2: 1293000}
    marks = {
        Pages: {0: [5, 8, 11, 14], 1: [1067, 1824, 2581, 3338], 2: [1823, 3116, 4409, 5702]},
        Pages315: {0: [5, 6, 7], 1: [1067, 1333, 1600], 2: [1823, 2278, 2734]},
    }
    for kind, expected in marks.items():
        memory = boot_memory(16 * GIB)
        starts = {0: 16, 1: 4096, 2: 1 << 20}
        specs = [ZoneSpec(n, starts[n], starts[n] + size) for n, size in sizes.items()]
        pages = kind(memory, specs)
        pages.min_free_kbytes_sysctl(11584)
        for zone in pages.populated_zones():
            wanted = expected[pages.zone_idx(zone)]
            assert [pages.wmark_pages(zone, nth) for nth in range(len(wanted))] == wanted
        dma = pages.zone_at(0, 0)
        reserve = [pages.lowmem_reserve(dma, j) for j in range(4)]
        assert reserve == [0, 757000 // 256, 2050000 // 256, 2050000 // 256]
        assert pages.lowmem_reserve(pages.zone_at(0, 1), 2) == 1293000 // 256


@pytest.mark.parametrize(
    ("kind", "managed", "batch", "high"),
    [
        (Pages315, 65536, 15, 90),
        (Pages315, 131072, 31, 186),
        (Pages315, 3000, 1, 0),
        (Pages, 1 << 20, 63, None),
    ],
)
def test_batch_sizes_follow_the_zone(
    kind: type[Pages], managed: int, batch: int, high: int | None
) -> None:
    memory = boot_memory(managed * 4096 + GIB)
    pages = kind(memory, [ZoneSpec(1, 4096, 4096 + managed)])
    pcp = pages.pcp_view(pages.populated_zones()[0], 0)
    assert pcp.batch == batch
    if high is not None:
        assert pcp.high == high


def test_zones_of_x86_64() -> None:
    assert x86_64_zones(1, 1 << 21) == [
        ZoneSpec(0, 1, 4096),
        ZoneSpec(1, 4096, 1 << 20),
        ZoneSpec(2, 1 << 20, 1 << 21),
    ]


def test_a_pristine_list_reads_as_if_it_had_been_written() -> None:
    for kind, step in ((Pages, 1024), (Pages315, -1024)):
        pages = kind.of_ram(GIB)
        zone = pages.zone_at(0, 1)
        movable = pages.mt_movable
        heads = [pages.page_to_pfn(page) for page in pages.free_area_pages(zone, 10, movable)]
        assert len(heads) == pages.free_list_count(zone, 10, movable)
        assert {b - a for a, b in pairwise(heads)} == {step}
        assert sum(1 << order for _, order, _ in listed(pages, zone)) == pages.nr_free_pages(zone)


def test_a_chunk_in_the_middle_of_a_pristine_list_can_be_isolated() -> None:
    pages = Pages.of_ram(GIB)
    zone = pages.zone_at(0, 1)
    before = pages.free_list_count(zone, 10, pages.mt_movable)
    middle = pages.pfn_to_page(0x10000)
    assert pages.pristine(middle)
    assert pages.set_migratetype_isolate(middle, pages.mt_movable) == 0
    assert pages.free_list_count(zone, 10, pages.mt_movable) == before - 1
    assert pages.free_list_count(zone, 10, pages.mt_isolate) == 1


def test_a_tebibyte_boots_and_allocates() -> None:
    pages = Pages.of_ram(1 << 40)
    normal = pages.zone_at(0, 2)
    assert pages.nr_free_pages(normal) == (1 << 28) - (1 << 20)
    taken = [pages.alloc_pages(HIGHUSER_MOVABLE, order) for order in (0, 9, 10)]
    assert all(taken)
    taken.append(pages.alloc_pages(GFP_KERNEL, 0))
    frames = pages.memory.written[4096 : 1 << 28]
    assert frames.count(1) == 0, "no frame's content was written"
    written = pages.memory.written[1 << 28 :].count(1)
    assert written < 200, "and hardly any page of the memory map"
    for page, order in zip(taken, (0, 9, 10, 0), strict=True):
        pages.free_pages(page, order)
    pages.drain_all_pages(0)
    assert pages.nr_free_pages(normal) == (1 << 28) - (1 << 20)


def test_what_boot_reserved_is_never_handed_out() -> None:
    memory = boot_memory(GIB)
    pages = Pages(memory, [ZoneSpec(1, 4096, 8192, reserved=((4100, 4200), (6000, 6001)))])
    zone = pages.populated_zones()[0]
    assert pages.managed_pages(zone) == 4096 - 101
    assert pages.page_reserved(pages.pfn_to_page(4150))
    assert not pages.page_reserved(pages.pfn_to_page(4200))
    free = [range(pfn, pfn + (1 << order)) for pfn, order, _ in listed(pages, zone)]
    assert sum(map(len, free)) == 4096 - 101
    assert not any(pfn in run for run in free for pfn in (4100, 4199, 6000))


def test_the_memory_map_can_be_one_that_exists() -> None:
    memory = Memory(64 << 20)
    memmap = memory.boot_alloc(16384 * 64, 4096)
    pages = Pages(memory, [ZoneSpec(1, 4096, 16384)], memmap=memmap)
    page = pages.alloc_pages(GFP_KERNEL, 0)
    assert pages.memory.load(memmap + 64 * pages.page_to_pfn(page) + 48) == 0x1FFFFFFFF
    assert pages.virt_to_page(pages.page_address(page)) == page


def test_zones_must_not_lie_over_what_boot_has_taken() -> None:
    memory = Memory(64 << 20)
    with pytest.raises(ValueError, match="boot has taken"):
        Pages(memory, [ZoneSpec(0, 1, 4096)])


def test_boot_memory_behind_the_zones_is_all_that_is_left() -> None:
    memory = Memory(64 << 20)
    memory.boot_alloc(1 << 20, 8)
    Pages(memory, [ZoneSpec(1, 4096, 8192)])
    assert memory.boot_alloc(8, 8) - memory.base >= 8192 * 4096
