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


def huge_file(world: World) -> int:
    file = world.space.hugetlb_file_setup("/anon_hugepage (deleted)", 1 << 21, 21)
    assert file
    return file


def test_areas_merge_across_the_window(wide: World) -> None:
    """Nothing in vma_merge() looks at the window, in either kernel."""
    for at in (WINDOW - P, WINDOW):
        assert mmap(wide, at, P, FIXED) == at
    (area,) = [vma for vma in wide.vmas() if vma.vm_start == WINDOW - P]
    assert area.vm_end == WINDOW + P
    wide.check()


def test_a_heap_may_grow_across_the_window(wide: World) -> None:
    """check_brk_limits() asks for a fixed place, up to the end of user space."""
    view = wide.mm_view()
    view.start_brk = view.brk = WINDOW - 4 * P
    assert wide.space.sys_brk(wide.mm, WINDOW + 4 * P) == WINDOW + 4 * P
    assert wide.space.sys_brk(wide.mm, TOP + P) == WINDOW + 4 * P
    wide.check()


def test_what_must_move_and_names_no_place_moves_below_the_window(wide: World) -> None:
    """mremap() asks for any place without a hint, wherever the area was."""
    base = wide.mm_view().get("mmap_base")
    assert mmap(wide, HIGH, P, FIXED) == HIGH
    assert mmap(wide, HIGH + P, P, FIXED | c.MAP_SHARED) == -errno.EINVAL
    shared = c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_FIXED
    assert mmap(wide, HIGH + P, P, shared) == HIGH + P
    moved = wide.space.sys_mremap(wide.mm, HIGH, P, 3 * P, c.MREMAP_MAYMOVE, 0)
    assert moved == base - 3 * P
    wide.check()


def test_dontunmap_takes_its_new_address_as_a_hint(wide: World) -> None:
    assert mmap(wide, 0x10000, P, FIXED) == 0x10000
    flags = c.MREMAP_MAYMOVE | c.MREMAP_DONTUNMAP
    assert wide.space.sys_mremap(wide.mm, 0x10000, P, P, flags, HIGH) == HIGH
    wide.check()


def test_huge_pages_follow_the_same_hints(wide: World) -> None:
    space, file, size = wide.space, huge_file(wide), 1 << 21
    base = wide.mm_view().get("mmap_base")

    def found(addr: int, flags: int = 0) -> int:
        return space.get_unmapped_area(wide.mm, file, addr, size, 0, flags)

    assert found(0) == (base - size) & -size
    assert found(HIGH) == HIGH
    assert mmap(wide, HIGH, P, FIXED) == HIGH
    assert found(HIGH) == (base + TOP - WINDOW - size) & -size
    # A hint whose huge page crosses the window is none.
    assert found((1 << 47) - size) == (base - size) & -size
    assert found(1 << 47) == 1 << 47


def test_where_huge_pages_are_sought_from_below(wide: World) -> None:
    """6.18 has one search for all (6.13): it begins at this program's own base; 6.1's at the
    machine's."""
    space, file, size = wide.space, huge_file(wide), 1 << 21
    view = wide.mm_view()
    for at in (0x10000, 0x30000):  # 6.1 looks at no size where there is hardly anything
        assert mmap(wide, at, P, FIXED) == at
    view.mmap_base = size
    view.mmap_legacy_base = c.TASK_UNMAPPED_BASE + (5 << 30) + P
    found = space.get_unmapped_area(wide.mm, file, 0, size, 0, 0)
    wanted = view.mmap_legacy_base if wide.new else c.TASK_UNMAPPED_BASE
    assert found == (wanted + size - 1) & -size


@pytest.mark.parametrize("name", ["6.18", "6.18-la57"])
def test_above_4_gib(name: str) -> None:
    """MAP_ABOVE4G bounds the search from the top, not the one from below that follows it."""
    world = World(name)
    world.sysctl(thp_enabled=0)
    view = world.mm_view()
    view.mmap_base = 1 << 32
    assert mmap(world, 0, P) == (1 << 32) - P
    assert mmap(world, 0, P, ANON | c.MAP_ABOVE4G) == view.mmap_legacy_base
    assert mmap(world, 1 << 30, P, ANON | c.MAP_ABOVE4G) == 1 << 30
    world.check()
