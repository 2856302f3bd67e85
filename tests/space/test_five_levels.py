"""Five levels of page tables: 56 bits of user space, for whoever asks by a hint."""

import errno

import pytest
from world import ANON, FIXED, RW, P, World

from mmtwin.space import flags as c

WINDOW = (1 << 47) - P
TOP = (1 << 56) - P
HIGH = 1 << 52


@pytest.fixture(params=["6.1-la57", "6.18-la57"])
def wide(request: pytest.FixtureRequest) -> World:
    world = World(request.param)
    world.sysctl(thp_enabled=0)
    return world


def mmap(world: World, addr: int, size: int, flags: int = ANON) -> int:
    flags |= c.MAP_NORESERVE
    return world.space.sys_mmap(world.mm, addr, size, RW, flags, 0, 0)


def tables(world: World) -> int:
    return world.space.pgtables_bytes(world.mm) // P


def test_without_a_hint_everything_stays_in_the_window_of_four_levels(wide: World) -> None:
    assert mmap(wide, 0, P) < WINDOW
    assert mmap(wide, WINDOW, P) < WINDOW
    assert mmap(wide, 0, 1 << 47) == -errno.ENOMEM


def test_a_hint_above_the_window_is_taken(wide: World) -> None:
    assert mmap(wide, HIGH, 4 * P) == HIGH
    assert mmap(wide, TOP - P, P) == TOP - P
    assert mmap(wide, HIGH + (1 << 50), 1 << 47) == HIGH + (1 << 50)
    wide.check()


def test_where_the_hint_is_taken_the_search_begins_at_the_top_of_all(wide: World) -> None:
    base = wide.mm_view().get("mmap_base")
    assert mmap(wide, HIGH, P) == HIGH
    assert mmap(wide, HIGH, P) == base + TOP - WINDOW - P
    assert mmap(wide, 0, P) == base - P


def test_a_hint_whose_range_crosses_the_window_is_not_taken(wide: World) -> None:
    base = wide.mm_view().get("mmap_base")
    assert mmap(wide, WINDOW - P, 2 * P) == base - 2 * P
    assert mmap(wide, WINDOW - P, P) == WINDOW - P
    assert mmap(wide, WINDOW - 2 * P, 4 * P, FIXED) == WINDOW - 2 * P
    wide.check()


def test_bottom_up_searches_end_where_the_hint_says(wide: World) -> None:
    base = wide.mm_view().get("mmap_legacy_base")
    space = wide.space
    end = WINDOW
    assert space.unmapped_area(wide.mm, P, base, end) == base
    assert mmap(wide, base, end - base, FIXED) == base
    assert space.arch_get_unmapped_area(wide.mm, 0, P, ANON) == -errno.ENOMEM
    assert space.arch_get_unmapped_area(wide.mm, base, P, ANON) == -errno.ENOMEM
    assert space.arch_get_unmapped_area(wide.mm, HIGH, P, ANON) == HIGH
    assert mmap(wide, HIGH, P) == HIGH
    assert space.arch_get_unmapped_area(wide.mm, HIGH, P, ANON) == WINDOW


def test_five_levels_are_walked_and_freed(wide: World) -> None:
    assert mmap(wide, HIGH, 2 * P) == HIGH
    assert mmap(wide, 0x10000, P, FIXED) == 0x10000
    assert tables(wide) == 0
    assert wide.space.touch(wide.mm, HIGH, 2 * P, True) == 0
    assert tables(wide) == 3  # of ptes, pmds and puds: the kernel does not count the p4d's
    assert wide.space.touch(wide.mm, 0x10000, P, True) == 0
    assert tables(wide) == 6
    wide.check()
    child = wide.fork()
    child.check()
    top = wide.space.pgd(wide.mm)
    slot = top + 8 * (HIGH >> 48)
    assert wide.twin.memory.load(slot) != 0
    assert wide.space.sys_munmap(wide.mm, HIGH, 2 * P) == 0
    assert tables(wide) == 3
    assert wide.twin.memory.load(slot) == 0
    wide.check()


def test_the_page_table_of_a_moved_range_reaches_any_place(wide: World) -> None:
    assert mmap(wide, 0x10000, P, FIXED) == 0x10000
    assert wide.space.touch(wide.mm, 0x10000, P, True) == 0
    flags = c.MREMAP_MAYMOVE | c.MREMAP_FIXED
    assert wide.space.sys_mremap(wide.mm, 0x10000, P, P, flags, HIGH) == HIGH
    assert tables(wide) >= 3
    assert wide.space.rss(wide.mm, 1) == 1
    wide.check()


def test_what_lies_above_the_56_bits_is_no_memory(wide: World) -> None:
    assert mmap(wide, TOP, P, FIXED) == -errno.ENOMEM
    assert wide.space.sys_munmap(wide.mm, TOP, P) == -errno.EINVAL


def test_a_table_of_p4ds_that_nothing_hangs_on_goes_at_exit(wide: World) -> None:
    """It is not counted in pgtables_bytes."""

    def marked() -> int:
        pages = wide.twin.pages
        kinds = (pages.page_mapcount(pages.pfn_to_page(pfn)) for pfn in range(pages.frames))
        return sum(kind == wide.space.table_type for kind in kinds)

    child = wide.space.dup_mmap(wide.mm, wide.space.task_alloc(wide.task))
    before = marked()
    for at in (HIGH, HIGH + (1 << 40)):
        flags = ANON | FIXED | c.MAP_NORESERVE
        assert wide.space.sys_mmap(child, at, P, RW, flags, 0, 0) == at
    assert wide.space.touch(child, HIGH, 1, True) == 0
    wide.space.sys_munmap(child, HIGH, P)
    assert marked() == before + 1
    wide.space.mmput(child)
    assert marked() == before - 1
