"""munmap: arguments, splits, limits, special areas, what goes back."""

import errno

import pytest
from maps_text import STATIC, lines
from world import FIXED, RW, B, P, R, World

from mmtwin.space import flags as c


@pytest.mark.parametrize(
    ("addr", "length", "result"),
    [
        (B + 1, P, -errno.EINVAL),
        (B, 0, -errno.EINVAL),
        (c.TASK_SIZE + P, P, -errno.EINVAL),
        (c.TASK_SIZE - P, 2 * P, -errno.EINVAL),
        (0, 2**64 - 1, -errno.EINVAL),
        (B, P, 0),
        (c.TASK_SIZE - P, P, 0),
    ],
)
def test_arguments(world: World, addr: int, length: int, result: int) -> None:
    assert world.space.sys_munmap(world.mm, addr, length) == result


def test_a_hole_and_the_ends(world: World) -> None:
    world.map(0, 10)
    world.unmap(4, 6)
    assert world.ranges() == [(0, 4), (6, 10)]
    world.unmap(3, 7)
    assert world.ranges() == [(0, 3), (7, 10)]
    world.unmap(0, 1)
    world.unmap(9, 20)
    assert world.ranges() == [(1, 3), (7, 9)]
    assert [v.get("vm_pgoff") - (B >> 12) for v in world.vmas()] == [1, 7]
    world.check()


def test_over_many_areas_with_both_ends_split(world: World) -> None:
    for page in range(0, 40, 4):
        world.map(page, page + 3, R if page % 8 else RW)
    world.write(0, 3)
    assert world.space.sys_munmap(world.mm, B + P, 36 * P) == 0
    assert world.ranges() == [(0, 1), (37, 39)]
    world.check()


def test_the_last_byte_is_part_of_the_range(world: World) -> None:
    """Lengths are rounded up; the first area may begin below the range."""
    world.map(0, 4)
    assert world.space.sys_munmap(world.mm, B + 2 * P, 1) == 0
    assert world.ranges() == [(0, 2), (3, 4)]


@pytest.mark.parametrize(("limit", "hole"), [(1, -errno.ENOMEM), (2, 0), (3, 0)])
def test_a_hole_in_one_area_needs_room_for_one_more(world: World, limit: int, hole: int) -> None:
    world.map(0, 8)
    world.sysctl(max_map_count=limit)
    assert world.unmap(2, 4) == hole
    assert world.ranges() == ([(0, 8)] if hole else [(0, 2), (4, 8)])
    assert world.unmap(6, 20) == 0
    world.check()


def test_ends_of_two_areas_may_be_cut_at_the_limit(world: World) -> None:
    world.map(0, 4)
    world.map(5, 9)
    world.sysctl(max_map_count=2)
    assert world.unmap(3, 6) == 0
    assert world.ranges() == [(0, 3), (6, 9)]


def test_special_mappings_go_whole_or_not_at_all(world: World) -> None:
    mm = world.space.load_image(world.task, lines(STATIC))
    world.mm = mm
    world.adopt(world.task, mm)
    vvar, vdso = 0x7FFFF7FF9000, 0x7FFFF7FFD000
    assert world.space.sys_munmap(mm, vdso, P) == -errno.EINVAL
    assert world.space.sys_munmap(mm, vvar + P, P) == -errno.EINVAL
    assert world.space.sys_munmap(mm, vdso, 2 * P) == 0
    assert world.space.sys_munmap(mm, vvar, 4 * P) == 0


def test_a_failing_second_split_keeps_the_first(world: World) -> None:
    mm = world.space.load_image(world.task, lines(STATIC))
    world.mm = mm
    world.adopt(world.task, mm)
    below = 0x7FFFF7FF9000 - 2 * P
    world.space.sys_mmap(mm, below, 2 * P, RW, FIXED, 0, 0)
    count = world.mm_view().map_count
    assert world.space.sys_munmap(mm, below + P, 3 * P) == -errno.EINVAL
    assert world.mm_view().map_count == count + 1
    world.check()


def test_everything_goes_back(world: World) -> None:
    before = world.in_use()
    file = world.open()
    world.map(0, 4, RW, c.MAP_PRIVATE | c.MAP_FIXED, file)
    world.map(4, 8, RW, c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_FIXED)
    world.map(8, 12)
    world.write(0, 12)
    world.space.fput(file)
    world.unmap(0, 12)
    assert {k: v for k, v in world.in_use().items() if v != before[k]} == {}
    assert world.space.proc_maps(world.mm) == ""
