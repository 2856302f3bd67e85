"""mlock and its kin: limits, holes, what is counted, what is faulted in."""

import errno

import pytest
from maps_text import STATIC, lines
from world import FIXED, NONE, RW, B, P, R, World

from mmtwin.space import flags as c

LOCKED = c.VM_LOCKED | c.VM_LOCKONFAULT


def lock(world: World, start: int, end: int) -> int:
    return world.space.sys_mlock(world.mm, B + start * P, (end - start) * P)


def unlock(world: World, start: int, end: int) -> int:
    return world.space.sys_munlock(world.mm, B + start * P, (end - start) * P)


def test_rounding_outwards(world: World) -> None:
    """An address inside a page and length 0 lock that page."""
    world.map(0, 4)
    assert world.space.sys_mlock(world.mm, B + 0x10, 0) == 0
    assert world.mm_view().locked_vm == 1
    assert world.space.sys_mlock(world.mm, B + P, 0) == 0
    assert world.mm_view().locked_vm == 1
    assert world.space.sys_mlock(world.mm, B + P - 1, 2) == 0
    assert world.mm_view().locked_vm == 2
    world.check()


def test_length_that_wraps(world: World) -> None:
    world.map(0, 2)
    assert world.space.sys_mlock(world.mm, B, 2**64 - P) == -errno.EINVAL
    assert world.space.sys_mlock(world.mm, B, 2**64 - 1) == 0
    assert world.space.sys_munlock(world.mm, B, 2**64 - P) == -errno.EINVAL


def test_holes(world: World) -> None:
    """The way ends at the hole, what lies before is locked."""
    world.map(0, 2)
    world.map(3, 5)
    assert lock(world, 0, 5) == -errno.ENOMEM
    assert world.flags(0) & LOCKED == c.VM_LOCKED
    assert world.flags(3) & LOCKED == 0
    assert lock(world, 2, 5) == -errno.ENOMEM
    assert unlock(world, 0, 5) == -errno.ENOMEM
    assert world.flags(0) & LOCKED == 0
    assert world.mm_view().locked_vm == 0
    world.check()


@pytest.mark.parametrize(("flags", "result"), [(0, 0), (1, 0), (2, -errno.EINVAL), (3, -22)])
def test_flags_of_mlock2(world: World, flags: int, result: int) -> None:
    world.map(0, 2)
    assert world.space.sys_mlock2(world.mm, B, P, flags) == result
    if result == 0:
        assert bool(world.flags(0) & c.VM_LOCKONFAULT) is (flags == 1)
        assert bool(world.vma(0).anon_vma) is (flags == 0)


def test_limit(world: World) -> None:
    world.map(0, 8)
    world.limit(c.RLIMIT_MEMLOCK, 4 * P)
    assert lock(world, 0, 8) == 0
    unlock(world, 0, 8)
    world.drop_capabilities()
    assert lock(world, 0, 5) == -errno.ENOMEM
    assert lock(world, 0, 4) == 0
    assert lock(world, 1, 5) == -errno.ENOMEM
    assert lock(world, 0, 4) == 0, "what is locked already counts once"
    assert world.mm_view().locked_vm == 4
    world.limit(c.RLIMIT_MEMLOCK, 0)
    assert lock(world, 0, 1) == -errno.EPERM
    assert unlock(world, 0, 8) == 0
    world.check()


def test_what_is_faulted_in(world: World) -> None:
    world.map(0, 2, RW)
    world.map(4, 6, R)
    world.map(8, 10, NONE)
    file = world.open(size=P)
    world.map(12, 14, R, c.MAP_PRIVATE | c.MAP_FIXED, file)
    assert lock(world, 0, 2) == 0
    assert world.vma(0).anon_vma != 0
    assert lock(world, 4, 6) == 0
    assert world.vma(4).anon_vma == 0
    assert lock(world, 8, 10) == -errno.ENOMEM
    assert world.flags(8) & c.VM_LOCKED, "the flag stays"
    assert lock(world, 12, 14) == -errno.ENOMEM
    assert world.mm_view().locked_vm == 8
    world.check()


@pytest.mark.parametrize(
    ("before", "on_fault", "pieces_6_1", "pieces_6_18"),
    [("clean", False, 3, 1), ("clean", True, 1, 1), ("written", False, 1, 1)],
)
def test_unlocking_the_middle(
    world: World, before: str, on_fault: bool, pieces_6_1: int, pieces_6_18: int
) -> None:
    """mlock wrote to the middle, so that 6.1 can not put it back together with clean sides."""
    world.map(0, 4)
    if before == "written":
        world.write(0, 4)
    flags = c.MLOCK_ONFAULT if on_fault else 0
    assert world.space.sys_mlock2(world.mm, B + P, 2 * P, flags) == 0
    assert len(world.ranges()) == 3
    assert unlock(world, 1, 3) == 0
    assert len(world.ranges()) == (pieces_6_18 if world.new else pieces_6_1)
    world.check()


def test_special_mappings_are_passed_over(world: World) -> None:
    mm = world.space.load_image(world.task, lines(STATIC))
    world.mm = mm
    world.adopt(world.task, mm)
    locked = world.mm_view().locked_vm
    assert world.space.sys_mlock(mm, 0x7FFFF7FF9000, 6 * P) == 0
    assert world.mm_view().locked_vm == locked


@pytest.mark.parametrize(
    ("flags", "result"),
    [(0, -errno.EINVAL), (4, -errno.EINVAL), (8, -errno.EINVAL), (1, 0), (2, 0), (3, 0), (7, 0)],
)
def test_flags_of_mlockall(world: World, flags: int, result: int) -> None:
    world.map(0, 2)
    assert world.space.sys_mlockall(world.mm, flags) == result
    if result == 0:
        assert bool(world.flags(0) & c.VM_LOCKED) is bool(flags & c.MCL_CURRENT)
        assert bool(world.mm_view().def_flags & c.VM_LOCKED) is bool(flags & c.MCL_FUTURE)


def test_mlockall_limits(world: World) -> None:
    world.map(0, 8)
    world.drop_capabilities()
    world.limit(c.RLIMIT_MEMLOCK, 4 * P)
    assert world.space.sys_mlockall(world.mm, c.MCL_CURRENT) == -errno.ENOMEM
    assert world.space.sys_mlockall(world.mm, c.MCL_FUTURE) == 0
    assert world.map(10, 15) == -errno.EAGAIN
    assert world.map(10, 14) == B + 10 * P
    world.limit(c.RLIMIT_MEMLOCK, 0)
    assert world.space.sys_mlockall(world.mm, c.MCL_FUTURE) == -errno.EPERM
    assert world.space.sys_munlockall(world.mm) == 0
    assert world.mm_view().locked_vm == 0
    assert world.mm_view().def_flags & LOCKED == 0
    world.check()


def test_future_areas_are_locked_and_written(world: World) -> None:
    assert world.space.sys_mlockall(world.mm, c.MCL_FUTURE) == 0
    world.map(0, 2, RW, FIXED)
    assert world.flags(0) & LOCKED == c.VM_LOCKED
    assert world.vma(0).anon_vma != 0
    assert world.space.sys_mlockall(world.mm, c.MCL_FUTURE | c.MCL_ONFAULT) == 0
    world.map(4, 6, RW, FIXED)
    assert world.flags(4) & LOCKED == LOCKED
    assert world.vma(4).anon_vma == 0
    world.check()


@pytest.mark.parametrize(("room", "areas"), [(0, 1), (1, 2), (2, 3)])
def test_map_limit(world: World, room: int, areas: int) -> None:
    world.map(0, 8)
    world.sysctl(max_map_count=1 + room)
    assert lock(world, 2, 4) == (0 if room == 2 else -errno.ENOMEM)
    assert len(world.ranges()) == areas
    world.check()
