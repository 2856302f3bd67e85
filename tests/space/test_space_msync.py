"""msync, mincore, remap_file_pages."""

import errno

import pytest
from world import FIXED, NONE, RW, B, P, R, World

from mmtwin.space import flags as c

SHARED = c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_FIXED
FILE = c.MAP_SHARED | c.MAP_FIXED


@pytest.mark.parametrize(
    ("addr", "length", "flags", "result"),
    [
        (B, P, 8, -errno.EINVAL),
        (B + 1, P, c.MS_SYNC, -errno.EINVAL),
        (B, P, c.MS_SYNC | c.MS_ASYNC, -errno.EINVAL),
        (B, 2**64 - P, c.MS_SYNC, -errno.ENOMEM),
        (B, 2**64 - 1, c.MS_SYNC, 0),
        (B, 0, c.MS_SYNC, 0),
        (B, 4 * P, 0, 0),
        (B, 5 * P, c.MS_ASYNC, -errno.ENOMEM),
        (B + 6 * P, P, c.MS_SYNC, -errno.ENOMEM),
        (B, 4 * P, c.MS_INVALIDATE, -errno.EBUSY),
        (B, 2 * P, c.MS_INVALIDATE, 0),
    ],
)
def test_msync(world: World, addr: int, length: int, flags: int, result: int) -> None:
    world.map(0, 2)
    world.map(2, 4, RW, FIXED | c.MAP_LOCKED)
    assert world.space.sys_msync(world.mm, addr, length, flags) == result


def test_msync_goes_on_behind_a_hole_unless_asynchronous(world: World) -> None:
    world.map(1, 2)
    world.map(3, 4, RW, FIXED | c.MAP_LOCKED)
    flags = c.MS_ASYNC | c.MS_INVALIDATE
    assert world.space.sys_msync(world.mm, B, 4 * P, flags) == -errno.EBUSY
    assert world.space.sys_msync(world.mm, B, 4 * P, c.MS_ASYNC) == -errno.ENOMEM


@pytest.mark.parametrize(
    ("addr", "length", "result"),
    [
        (B + 1, P, -errno.EINVAL),
        (B, 0, 0),
        (B, 4 * P, 0),
        (B, 5 * P, -errno.ENOMEM),
        (2**63, P, -errno.ENOMEM),
        (B, 2**63, -errno.ENOMEM),
    ],
)
def test_mincore(world: World, addr: int, length: int, result: int) -> None:
    world.map(0, 2)
    world.map(2, 4, NONE)
    assert world.space.sys_mincore(world.mm, addr, length) == result


def remap(world: World, start: int, end: int, pgoff: int, prot: int = 0, flags: int = 0) -> int:
    return world.space.sys_remap_file_pages(
        world.mm, B + start * P, (end - start) * P, prot, pgoff, flags
    )


def test_remap_file_pages(world: World) -> None:
    file = world.open()
    world.map(0, 6, RW, FILE, file)
    assert remap(world, 2, 4, 0) == 0
    assert [v.get("vm_pgoff") for v in world.vmas()] == [0, 0, 4]
    assert remap(world, 2, 4, 2) == 0
    assert world.ranges() == [(0, 6)]
    world.check()


def test_remap_file_pages_refuses(world: World) -> None:
    world.map(0, 2, RW)
    world.map(2, 4, RW, SHARED)
    world.map(4, 6, R, FILE, world.open("/a", c.O_RDONLY))
    world.map(8, 10, RW, SHARED)
    assert remap(world, 0, 1, 0) == -errno.EINVAL
    assert remap(world, 2, 3, 0, prot=1) == -errno.EINVAL
    assert remap(world, 4, 5, 0) == -errno.EINVAL, "not writable: not VM_SHARED"
    assert remap(world, 6, 7, 0) == -errno.EINVAL
    assert remap(world, 2, 5, 0) == -errno.EINVAL
    assert remap(world, 8, 11, 0) == -errno.EINVAL
    assert remap(world, 2, 2, 0) == -errno.EINVAL
    space, mm = world.space, world.mm
    assert space.sys_remap_file_pages(mm, B + 2 * P, 2**64 - P, 0, 0, 0) == -errno.EINVAL
    assert space.sys_remap_file_pages(mm, B + 2 * P, P, 0, 2**64 - 1, 0) < 0


def test_remap_file_pages_over_several_areas(world: World) -> None:
    """Only if flags are equal and nothing is between; offsets may differ."""
    file = world.open()
    world.map(0, 2, RW, FILE, file)
    world.map(2, 4, RW, FILE, file, off=7)
    assert remap(world, 1, 3, 20) == 0
    assert world.ranges() == [(0, 1), (1, 3), (3, 4)]
    assert world.vma(1).vm_pgoff == 20
    world.protect(3, 4, R)
    assert remap(world, 1, 4, 0) == -errno.EINVAL
    world.check()


def test_remap_file_pages_keeps_the_lock(world: World) -> None:
    world.map(0, 4, RW, SHARED | c.MAP_LOCKED)
    assert remap(world, 1, 2, 3) == 0
    assert world.flags(1) & c.VM_LOCKED
    assert world.mm_view().locked_vm == 4
    world.check()
