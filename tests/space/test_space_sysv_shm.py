"""System V segments: shmat and shmdt, how many are attached, when memory goes."""

import errno

import pytest
from world import RW, B, P, R, World

from mmtwin.space import flags as c
from mmtwin.space.flags import SHM_EXEC, SHM_RDONLY, SHM_REMAP, SHM_RND

ID = 7
SIZE = 4 * P
UNMAPPED = "VM-33"
"""The charge of a segment that no area maps is in no sum over areas."""


@pytest.fixture
def segment(world: World) -> World:
    assert world.space.shm_create(world.mm, ID, 0, SIZE) == 0
    return world


def attach(world: World, page: int | None = None, flags: int = 0) -> int:
    addr = 0 if page is None else B + page * P
    return world.space.sys_shmat(world.mm, ID, addr, flags)


def test_attach_and_detach(segment: World) -> None:
    addr = attach(segment)
    assert addr == segment.mm_view().mmap_base - SIZE
    assert "/SYSV00000000 (deleted)" in segment.space.proc_maps(segment.mm)
    assert segment.space.shm_nattch(ID) == 1
    assert segment.space.sys_shmdt(segment.mm, addr) == 0
    assert segment.vmas() == []
    assert segment.space.shm_nattch(ID) == 0
    assert segment.space.sys_shmdt(segment.mm, addr) == -errno.EINVAL
    segment.check(UNMAPPED)


@pytest.mark.parametrize(
    ("addr", "flags", "result"),
    [
        (B + 1, 0, -errno.EINVAL),
        (B + 1, SHM_RND, B),
        (1, SHM_RND | SHM_REMAP, -errno.EINVAL),
        (0, SHM_REMAP, -errno.EINVAL),
        (B + 8 * P, 0, -errno.EINVAL),
        (B + 5 * P, 0, -errno.EINVAL),
        (B + 8 * P, SHM_REMAP, B + 8 * P),
        (B + 4 * P, 0, B + 4 * P),
        (2**64 - 2 * P, 0, -errno.EINVAL),
    ],
)
def test_addresses(segment: World, addr: int, flags: int, result: int) -> None:
    segment.map(8, 10, R)
    assert segment.space.sys_shmat(segment.mm, ID, addr, flags) == result
    segment.check(UNMAPPED)


def test_access(segment: World) -> None:
    attach(segment, 0)
    attach(segment, 8, SHM_RDONLY)
    attach(segment, 16, SHM_EXEC)
    access = [segment.flags(page) & c.VM_ACCESS_FLAGS for page in (0, 8, 16)]
    assert access == [3, 1, 7]
    assert segment.protect(8, 9, RW) == -errno.EACCES
    assert segment.protect(0, 1, R) == 0


def test_no_such_segment(world: World) -> None:
    assert world.space.sys_shmat(world.mm, 99, 0, 0) == -errno.EINVAL
    assert world.space.shm_nattch(99) == -errno.EINVAL
    assert world.space.shm_remove(99) == -errno.EINVAL


def test_creating(segment: World) -> None:
    space, mm = segment.space, segment.mm
    assert space.shm_create(mm, ID, 0, P) == -errno.EEXIST
    assert space.shm_create(mm, 8, 0, 0) == -errno.EINVAL
    segment.sysctl(totalram_pages=8)
    assert space.shm_create(mm, 8, 0, 9 * P) == -errno.ENOMEM


def test_pieces_are_found_where_the_segment_put_them(segment: World) -> None:
    attach(segment, 0)
    segment.protect(1, 2, R)
    segment.unmap(2, 3)
    segment.map(2, 3)
    assert len(segment.ranges()) == 4
    assert segment.space.sys_shmdt(segment.mm, B) == 0
    assert segment.ranges() == [(2, 3)]
    assert segment.space.shm_nattch(ID) == 0
    segment.check(UNMAPPED)


def test_a_piece_that_moved_stays(segment: World) -> None:
    attach(segment, 0)
    moved = segment.space.sys_mremap(segment.mm, B + P, P, P, 3, B + 20 * P)
    assert moved == B + 20 * P
    assert segment.space.sys_shmdt(segment.mm, B) == 0
    assert segment.ranges() == [(20, 21)]
    assert segment.space.sys_shmdt(segment.mm, B + 19 * P) == 0, "where its segment would begin"
    assert segment.ranges() == []
    segment.check(UNMAPPED)


def test_pieces_never_merge_again_in_6_1(segment: World) -> None:
    """Each piece has told the segment that it is there; since 6.4 the one that stays may grow."""
    attach(segment, 0)
    segment.protect(1, 2, R)
    assert segment.space.shm_nattch(ID) == 3
    segment.protect(1, 2, RW)
    assert len(segment.ranges()) == 3
    assert segment.space.shm_nattch(ID) == 3
    segment.check(UNMAPPED)


def test_growing_with_mremap(segment: World) -> None:
    attach(segment, 0)
    assert segment.space.sys_mremap(segment.mm, B, SIZE, SIZE + P, 0, 0) == B
    assert segment.ranges() == [(0, 5)]
    assert segment.write(3, 4) == 0
    assert segment.write(4, 5) == -errno.EFAULT
    segment.check(UNMAPPED)


def test_forks_are_attached_too(segment: World) -> None:
    attach(segment, 0)
    child = segment.fork()
    assert segment.space.shm_nattch(ID) == 2
    child.exit()
    assert segment.space.shm_nattch(ID) == 1


def test_a_removed_segment_goes_with_its_last_area(segment: World) -> None:
    before = segment.in_use()
    attach(segment, 0)
    assert segment.space.shm_remove(ID) == 0
    assert segment.space.shm_nattch(ID) == 1
    segment.unmap(0, 4)
    assert segment.space.shm_nattch(ID) == -errno.EINVAL
    assert before["committed"] - segment.in_use()["committed"] == 4


def test_a_removed_segment_without_areas_goes_at_once(segment: World) -> None:
    assert segment.space.shm_remove(ID) == 0
    assert segment.space.shm_nattch(ID) == -errno.EINVAL
    assert segment.space.shm_create(segment.mm, ID, 0, P) == 0


def test_a_read_maps_its_page_alone(segment: World) -> None:
    """shm_vm_ops has no map_pages (ipc/shm.c): no fault-around, as both kernels answer."""
    attach(segment, 0)
    segment.write(0, 4)
    child = segment.fork()
    child.read(1, 2)
    assert child.space.rss(child.mm, 3) == 1
    child.check()
