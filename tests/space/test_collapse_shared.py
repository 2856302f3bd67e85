"""Huge pages of shared memory: made by MADV_COLLAPSE, mapped, split, moved, put out."""

import errno

import pytest
from huge_areas import HUGE, OF_FILE, PRIVATE_FILE, SHARED, M, collapse, field, memfd, tables
from world import RW, B, P, R, World

from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from modes import sample


def test_shared_memory(world: World) -> None:
    assert world.map(0, 2 * HUGE, flags=SHARED) == B
    world.write(3, 40)
    world.read(HUGE, HUGE + 1)
    before = tables(world)
    assert collapse(world, 0, 2 * HUGE) == 0
    assert field(world, "ShmemPmdMapped") == field(world, "Rss") == 4096
    assert field(world, "Private_Dirty") == 4096
    assert tables(world) == before - 2
    assert world.space.rss(world.mm, p.MM_SHMEMPAGES) == 2 * HUGE
    assert world.unmap(0, 2 * HUGE) == 0
    world.check()


def test_there_must_be_something(world: World) -> None:
    world.map(0, HUGE, flags=SHARED)
    assert collapse(world, 0, HUGE) == -errno.EINVAL


def test_offset_and_address_must_agree(world: World) -> None:
    file = memfd(world, 2 * HUGE)
    world.map(1, HUGE + 1, flags=OF_FILE, file=file)
    world.write(1, 100)
    assert collapse(world, 1, HUGE + 1) == -errno.EINVAL
    world.map(HUGE, 2 * HUGE, flags=OF_FILE, file=file)
    world.write(HUGE, HUGE + 1)
    assert collapse(world, HUGE, 2 * HUGE) == 0
    assert field(world, "ShmemPmdMapped", HUGE) == 2048
    # The other area maps the same page by ptes.
    world.read(1, 100)
    world.check()
    assert field(world, "ShmemPmdMapped", 1) == 0
    assert field(world, "Shared_Dirty", 1) > 0


def test_regular_files_are_not_collapsed(world: World) -> None:
    file = world.open(size=HUGE * P)
    world.map(0, HUGE, flags=OF_FILE, file=file)
    world.read(0, HUGE)
    assert collapse(world, 0, HUGE) == -errno.EINVAL


@pytest.mark.parametrize(("setting", "wanted"), [("never", 0), ("deny", -errno.EINVAL)])
def test_shmem_enabled(world: World, setting: str, wanted: int) -> None:
    numbers = {"never": 0, "always": 1, "within_size": 2, "advise": 3, "deny": 4, "force": 5}
    world.sysctl(shmem_enabled=numbers[setting])
    world.map(0, HUGE, flags=SHARED)
    world.write(0, 1)
    assert collapse(world, 0, HUGE) == wanted


def test_a_child_maps_it_by_a_fault_of_its_own(world: World) -> None:
    world.map(0, HUGE, flags=SHARED)
    world.write(0, 9)
    child = world.fork()
    assert child.read(0, 1) == 0
    before = tables(child)
    assert collapse(world, 0, HUGE) == 0
    if world.new:
        assert tables(child) == before - 1
    else:
        # It keeps its table, which is empty, and maps the page by ptes.
        assert tables(child) == before
        assert (field(child, "Rss"), child.read(100, 101)) == (0, 0)
        assert field(child, "ShmemPmdMapped") == 0
        assert collapse(child, 0, HUGE) == 0
    assert child.write(0, 1) == 0
    assert field(child, "ShmemPmdMapped") == 2048
    assert field(world, "Shared_Dirty") == 2048
    child.exit()
    world.check()


def test_who_never_touched_it(world: World) -> None:
    """6.1 makes the page and says EINVAL, as the caller has no table to be replaced."""
    file = memfd(world, HUGE)
    world.map(0, HUGE, flags=OF_FILE, file=file)
    world.write(0, 50)
    world.map(4 * HUGE, 5 * HUGE, flags=OF_FILE, file=file)
    assert collapse(world, 4 * HUGE, 5 * HUGE) == (0 if world.new else -errno.EINVAL)
    assert collapse(world, 4 * HUGE, 5 * HUGE) == 0
    assert field(world, "ShmemPmdMapped", 4 * HUGE) == 2048


def test_a_private_mapping_with_copies(world: World) -> None:
    file = memfd(world, HUGE)
    world.map(0, HUGE, flags=PRIVATE_FILE, file=file)
    world.read(0, 64)
    assert collapse(world, 0, HUGE) == 0
    assert field(world, "ShmemPmdMapped") == 2048
    assert world.write(7, 8) == 0
    world.check()
    assert field(world, "ShmemPmdMapped") == 0
    assert field(world, "Anonymous") == 4
    assert collapse(world, 0, HUGE) == -errno.EINVAL
    # The child has the copies, and maps the rest again.
    child = world.fork()
    assert child.read(0, HUGE) == 0
    child.check()


def test_a_write_to_what_was_read_only(world: World) -> None:
    world.map(0, HUGE, flags=SHARED)
    world.write(0, 1)
    assert collapse(world, 0, HUGE) == 0
    for prot in (R, 0, RW):
        assert world.protect(0, HUGE, prot) == 0
        world.check()
    assert world.write(5, 6) == 0
    assert field(world, "ShmemPmdMapped") == 2048
    assert world.protect(5, 6, R) == 0
    world.check()
    assert field(world, "Rss") == 0
    assert world.read(5, 6) == 0
    assert world.write(6, 7) == 0
    world.check()


def test_it_moves_as_a_whole(world: World) -> None:
    world.map(0, HUGE, flags=SHARED)
    world.write(0, 1)
    assert collapse(world, 0, HUGE) == 0
    flags = c.MREMAP_MAYMOVE | c.MREMAP_FIXED
    size, to = 2 * M, B + 4 * 2 * M
    assert world.space.sys_mremap(world.mm, B, size, size, flags, to) == to
    world.check()
    assert field(world, "ShmemPmdMapped", 4 * HUGE) == 2048
    assert world.space.sys_mremap(world.mm, to, size, size, flags, to + 5 * size + P) > 0
    world.check()
    assert field(world, "Rss", 9 * HUGE + 1) == 0
    assert world.write(9 * HUGE + 1, 9 * HUGE + 2) == 0
    world.check()


def test_parts_of_it_are_unmapped(world: World) -> None:
    world.map(0, HUGE, flags=SHARED)
    world.write(0, 1)
    assert collapse(world, 0, HUGE) == 0
    assert world.unmap(100, 101) == 0
    world.check()
    assert field(world, "Rss") == 0
    assert world.write(101, 102) == 0
    assert field(world, "Rss", 101) == 4
    world.check()


@pytest.mark.parametrize(("start", "end"), [(0, 1), (100, 200), (511, 512), (0, 512)])
def test_holes_split_it(world: World, start: int, end: int) -> None:
    world.map(0, HUGE, flags=SHARED)
    world.write(0, HUGE)
    assert collapse(world, 0, HUGE) == 0
    child = world.fork()
    child.read(0, 1)
    assert world.advise(start, end, c.MADV_REMOVE) == 0
    world.check()
    inode = world.space.view("file", world.vma(0).vm_file).f_inode
    assert world.space.inode_pages(inode) == HUGE - (end - start)
    assert child.read(0, HUGE) == 0
    assert collapse(world, 0, HUGE) == (0 if world.new else -errno.EINVAL)
    assert collapse(world, 0, HUGE) == 0
    child.exit()
    world.check()


@pytest.mark.parametrize(
    "size", sample([0, 100, 3 * P, 3 * P + 1, 511 * P + 5, 512 * P, 600 * P], 3)
)
def test_files_that_become_shorter(world: World, size: int) -> None:
    file = memfd(world, 2 * HUGE)
    inode = world.space.view("file", file).f_inode
    world.map(0, 2 * HUGE, flags=OF_FILE, file=file)
    world.write(0, 2 * HUGE)
    assert collapse(world, 0, 2 * HUGE) == 0
    world.space.truncate(inode, size)
    world.check()
    left = (size + P - 1) // P
    assert world.space.inode_pages(inode) == left
    whole = size // P // HUGE
    assert field(world, "ShmemPmdMapped") == 2048 * whole
    assert world.unmap(0, 2 * HUGE) == 0
    world.space.fput(file)
    world.check()


def test_a_short_file_is_mapped_beyond_its_end(world: World) -> None:
    """Both kernels: what a pmd entry maps no fault asks for."""
    file = memfd(world, 3)
    world.map(0, HUGE, flags=OF_FILE, file=file)
    assert world.write(0, 1) == 0
    assert world.write(5, 6) == -errno.EFAULT
    assert collapse(world, 0, HUGE) == 0
    assert world.write(5, HUGE) == 0


def test_locked_memory(world: World) -> None:
    world.map(0, HUGE, flags=SHARED)
    world.write(0, 100)
    assert world.space.sys_mlock(world.mm, B, 2 * M) == 0
    assert collapse(world, 0, HUGE) == 0
    assert field(world, "Locked") == 2048
    assert world.space.sys_munlock(world.mm, B, 2 * M) == 0
    assert world.unmap(0, HUGE) == 0
    world.check()


def test_swapped_out_shared_memory() -> None:
    world = World("6.1", ram=256 * M, swap=16 * M)
    world.map(0, HUGE, flags=SHARED)
    world.write(0, HUGE)
    assert world.advise(0, 100, c.MADV_PAGEOUT) == 0
    assert field(world, "Swap") == 400
    assert collapse(world, 0, HUGE) == 0
    assert (field(world, "Swap"), field(world, "Rss")) == (0, 2048)
    # And out again, as single pages.
    assert world.advise(0, HUGE, c.MADV_PAGEOUT) == 0
    world.check()
    assert field(world, "Swap") == 2048
    assert world.read(0, HUGE) == 0
    world.check()


def test_it_is_put_out_of_mind_without_swap(world: World) -> None:
    world.map(0, HUGE, flags=SHARED)
    world.write(0, HUGE)
    assert collapse(world, 0, HUGE) == 0
    assert world.advise(0, HUGE, c.MADV_PAGEOUT) == 0
    world.check()
    assert field(world, "Rss") == 0
    assert world.write(0, 1) == 0
    # 6.18 leaves it whole where it cannot be written to swap.
    assert field(world, "ShmemPmdMapped") == (2048 if world.new else 0)


def test_advice_about_a_part_splits_it(world: World) -> None:
    world.map(0, HUGE, flags=SHARED)
    world.write(0, HUGE)
    assert collapse(world, 0, HUGE) == 0
    assert world.advise(10, 20, c.MADV_COLD) == 0
    world.check()
    assert field(world, "Rss") == 0
    assert world.read(0, 1) == 0
    assert field(world, "ShmemPmdMapped") == 0
    assert field(world, "Rss") <= 64


def test_pagemap_and_mincore_see_it(world: World) -> None:
    file = memfd(world, HUGE)
    world.map(0, HUGE, flags=OF_FILE, file=file)
    world.write(0, 1)
    assert collapse(world, 0, HUGE) == 0
    words = {world.space.pagemap_entry(world.mm, B + page * P) >> 55 for page in range(HUGE)}
    assert len(words) == 1
    frames = [world.space.pagemap_entry(world.mm, B + page * P) & 0xFFFF for page in (0, 7)]
    assert frames[1] - frames[0] == 7
    assert world.unmap(0, HUGE) == 0
    world.map(0, HUGE, flags=OF_FILE, file=file)
    assert world.space.mincore_vector(world.mm, B, 2 * M) == b"\1" * HUGE
