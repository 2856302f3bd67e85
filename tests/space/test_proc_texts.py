"""Corners of /proc texts and mincore that no comparison with a kernel reaches."""

import pytest
from maps_text import STATIC, lines
from world import RW, B, P, R, World

from mmtwin.space import flags as c


@pytest.mark.parametrize(
    ("inode", "column"),
    [(1, 73), (10**17 - 1, 73), (10**18 - 1, 74), (10**19 - 1, 75), (2**64 - 1, 76)],
    ids=["short", "17 digits", "18 digits", "19 digits", "20 digits"],
)
def test_a_name_begins_at_its_column_or_a_space_further(
    world: World, inode: int, column: int
) -> None:
    """seq_pad(): 72 columns and a space; a longer head gets the space alone."""
    file = world.space.open_file("/far", 0xFE, 0, inode, c.O_RDWR)
    assert world.map(0, 1, R, c.MAP_SHARED | c.MAP_FIXED, file, 1 << 50) == B
    (line,) = world.space.proc_maps(world.mm).splitlines()
    assert line.index("/far") == column
    assert line[column - 1] == " "


@pytest.mark.parametrize(
    ("flag", "old", "new"),
    [
        (c.VM_UFFD_MISSING, "um", "um"),
        (c.VM_UFFD_WP, "uw", "uw"),
        (c.VM_UFFD_MINOR, "ui", ""),
        (c.VM_UFFD_MINOR_6_18, "", "ui"),
        (c.VM_LOCKONFAULT, "??", "lf"),
        (c.VM_MAYBE_GUARD_6_18, "", "gu"),
        (c.VM_DROPPABLE_6_18, "", "dp"),
        (c.VM_SEALED_6_18, "", "sl"),
        (c.VM_PKEY_BITS, "", ""),
    ],
)
def test_letters_of_each_era(world: World, flag: int, old: str, new: str) -> None:
    assert world.space.vm_flag_letters(flag).strip() == (new if world.new else old)


def test_a_strangers_file_is_all_in_core(world: World) -> None:
    """Who neither owns a file nor may write to it learns nothing of the page cache."""
    file = world.open()
    world.map(0, 64, RW, c.MAP_PRIVATE | c.MAP_FIXED, file)
    world.write(1, 2)
    assert 0 in world.space.mincore_vector(world.mm, B, 64 * P)
    inode = world.space.view("inode", world.space.view("file", file).f_inode)
    inode.i_flags |= 1 << 30
    assert world.space.mincore_vector(world.mm, B, 64 * P) == b"\1" * 64


def test_the_kernels_own_pages_are_in_core(world: World) -> None:
    mm = world.space.load_image(world.task, lines(STATIC))
    assert world.space.mincore_vector(mm, 0x7FFFF7FF9000, 6 * P) == b"\1" * 6
