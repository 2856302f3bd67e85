"""Faults: what they make of an area, and how stacks grow."""

import errno

import pytest
from world import ANON, FIXED, NONE, RW, B, P, R, World

from mmtwin.space import flags as c

DOWN = FIXED | c.MAP_GROWSDOWN


def test_what_a_fault_makes_of_an_area(world: World) -> None:
    file = world.open()
    world.map(0, 1)
    world.map(2, 3, RW, c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_FIXED)
    world.map(4, 5, RW, c.MAP_PRIVATE | c.MAP_FIXED, file)
    assert world.read(0, 1) == 0
    assert world.read(4, 5) == 0
    assert world.write(2, 3) == 0
    assert [v.get("anon_vma") for v in world.vmas()] == [0, 0, 0]
    world.write(0, 1)
    world.write(4, 5)
    assert [bool(v.get("anon_vma")) for v in world.vmas()] == [True, False, True]
    world.check()


def test_where_the_program_gets_a_signal(world: World) -> None:
    world.map(0, 2, R)
    world.map(2, 3, NONE)
    assert world.write(0, 1) == -errno.EFAULT
    assert world.read(2, 3) == -errno.EFAULT
    assert world.read(1, 3) == -errno.EFAULT
    assert world.read(5, 6) == -errno.EFAULT
    assert world.read(0, 2) == 0


def test_discarded_memory_stays_written_to(world: World) -> None:
    world.map(0, 1)
    world.write(0, 1)
    assert world.advise(0, 1, c.MADV_DONTNEED) == 0
    assert world.vma(0).get("anon_vma")


@pytest.mark.parametrize(
    ("enabled", "advice", "faulted"), [(0, 0, False), (1, 0, False), (1, 14, True), (2, 0, True)]
)
def test_a_read_that_may_take_a_huge_page(
    world: World, enabled: int, advice: int, faulted: bool
) -> None:
    """Then the area gets an anon_vma even by a read; B is aligned to 2 MiB."""
    world.sysctl(thp_enabled=enabled)
    world.map(0, 512)
    if advice:
        world.advise(0, 512, advice)
    world.read(5, 6)
    assert bool(world.vma(0).get("anon_vma")) == faulted
    world.map(1001, 1400)
    world.read(1001, 1400)
    assert not world.vma(1001).get("anon_vma")


# Growth.


def test_growth_by_any_distance_in_one_step(world: World) -> None:
    world.map(2000, 2001, RW, DOWN)
    assert world.read(1000, 1001) == 0
    assert world.ranges() == [(1000, 2001)]
    assert world.vma(1000).get("vm_pgoff") == (B >> 12) + 1000
    assert world.vma(1000).get("anon_vma")
    assert world.mm_view().stack_vm == 1001
    assert world.mm_view().map_count == 1
    world.check()


@pytest.mark.parametrize(
    ("distance", "prot", "flags", "grows"),
    [
        (255, R, FIXED, False),
        (256, R, FIXED, True),
        (0, NONE, FIXED, True),
        (0, RW, DOWN, True),
    ],
)
def test_distance_to_the_area_below(
    world: World, distance: int, prot: int, flags: int, grows: bool
) -> None:
    """256 pages from what is accessible; PROT_NONE and other stacks do not count."""
    world.map(0, 4, prot, flags)
    world.map(400, 401, RW, DOWN)
    result = world.write(4 + distance, 5 + distance)
    assert result == (0 if grows else -errno.EFAULT)
    assert world.ranges()[-1] == ((4 + distance, 401) if grows else (400, 401))
    world.check()


def test_a_refused_growth_still_leaves_an_anon_vma(world: World) -> None:
    world.map(4000, 4001, RW, DOWN)
    world.limit(c.RLIMIT_STACK, 16 * P)
    assert world.write(3900, 3901) == -errno.EFAULT
    assert world.vma(4000).get("anon_vma")


@pytest.mark.parametrize(("pages", "grows"), [(16, True), (17, False)])
def test_the_stack_limit_of_now_counts(world: World, pages: int, grows: bool) -> None:
    world.map(100, 101, RW, DOWN)
    world.limit(c.RLIMIT_STACK, 16 * P)
    assert (world.write(101 - pages, 102 - pages) == 0) == grows


def test_other_limits_of_growth(world: World) -> None:
    world.map(100, 101, RW, DOWN)
    world.limit(c.RLIMIT_DATA, 0)
    assert world.write(99, 100) == 0
    world.limit(c.RLIMIT_AS, 2 * P)
    assert world.write(98, 99) == -errno.EFAULT
    world.limit(c.RLIMIT_AS, c.RLIM_INFINITY)
    world.drop_capabilities()
    world.space.sys_mlock(world.mm, B + 99 * P, 2 * P)
    world.limit(c.RLIMIT_MEMLOCK, 3 * P)
    assert world.write(98, 99) == 0
    assert world.mm_view().locked_vm == 3
    assert world.write(97, 98) == -errno.EFAULT
    world.check()


def test_not_below_mmap_min_addr(world: World) -> None:
    world.space.sys_mmap(world.mm, 0x20000, P, RW, DOWN, 0, 0)
    assert world.space.touch(world.mm, 0xF000, 1, True) == -errno.EFAULT
    assert world.space.touch(world.mm, 0x10000, 1, True) == 0


def test_a_grown_stack_does_not_merge_with_what_it_reaches(world: World) -> None:
    world.map(0, 1, RW, DOWN)
    world.map(10, 11, RW, DOWN)
    world.write(1, 2)
    assert world.ranges() == [(0, 1), (1, 11)]
    world.check()


def test_areas_that_do_not_grow(world: World) -> None:
    world.map(10, 11)
    assert world.write(9, 10) == -errno.EFAULT


def test_charge_of_growth(world: World) -> None:
    world.map(10, 11, RW, DOWN)
    world.sysctl(overcommit_memory=2, overcommit_kbytes=12, user_reserve_kbytes=0)
    assert world.write(9, 10) == 0
    assert world.write(8, 9) == -errno.EFAULT


def test_the_next_mapping_keeps_the_guard_gap(world: World) -> None:
    stack = world.anywhere(1, RW, ANON | c.MAP_GROWSDOWN)
    assert world.anywhere(1) == stack - 257 * P
