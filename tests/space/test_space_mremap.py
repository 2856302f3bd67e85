"""mremap: the order of checks, shrink, grow, move, keep the source; limits and accounts."""

import errno

import pytest
from maps_text import STATIC, lines
from world import FIXED, RW, B, P, R, World

from mmtwin.space import flags as c

MAY, FIX, KEEP = c.MREMAP_MAYMOVE, c.MREMAP_FIXED, c.MREMAP_DONTUNMAP
SHARED = c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_FIXED


def remap(world: World, start: int, old: int, new: int, flags: int = 0, to: int = 0) -> int:
    """mremap in pages; the result in pages too, or the errno."""
    target = B + to * P if flags & (FIX | KEEP) else 0
    got = world.space.sys_mremap(world.mm, B + start * P, old * P, new * P, flags, target)
    return got if got < 0 else (got - B) // P


@pytest.mark.parametrize(
    ("addr", "old", "new", "flags", "target", "result"),
    [
        (B, P, P, 8, 0, -errno.EINVAL),
        (B, P, P, FIX, B + 16 * P, -errno.EINVAL),
        (B, P, P, KEEP, B + 16 * P, -errno.EINVAL),
        (B, P, 2 * P, MAY | KEEP, B + 16 * P, -errno.EINVAL),
        (B + 1, P, P, 0, 0, -errno.EINVAL),
        (B, P, 0, 0, 0, -errno.EINVAL),
        (B, P, 2**64 - 1, 0, 0, -errno.EINVAL),
        (B, P, P, MAY | FIX, B + 1, -errno.EINVAL),
        (B, P, P, MAY | FIX, c.TASK_SIZE, -errno.EINVAL),
        (B, 2 * P, 2 * P, MAY | FIX, B + P, -errno.EINVAL),
        (B, 2 * P, 2 * P, MAY | FIX, B - P, -errno.EINVAL),
        (B + 20 * P, P, 2 * P, 0, 0, -errno.EFAULT),
        (B, 6 * P, 7 * P, MAY, 0, -errno.EFAULT),
        (B, 0, P, MAY, 0, -errno.EINVAL),
        (B, P, 2 * P, 0, 0, -errno.ENOMEM),
        (B, P, P, 0, 0, B),
        (B, 2**40, 2**40, 0, 0, B),
    ],
)
def test_arguments(
    world: World, addr: int, old: int, new: int, flags: int, target: int, result: int
) -> None:
    world.map(0, 4)
    before = world.space.proc_maps(world.mm)
    assert world.space.sys_mremap(world.mm, addr, old, new, flags, target) == result
    assert world.space.proc_maps(world.mm) == before


def test_lengths_that_differ_only_inside_a_page(world: World) -> None:
    """With MREMAP_DONTUNMAP 6.1 compares them as they are, 6.18 as pages."""
    world.map(0, 2)
    got = world.space.sys_mremap(world.mm, B, P, P - 1, MAY | KEEP | FIX, B + 8 * P)
    assert got == (B + 8 * P if world.new else -errno.EINVAL)


@pytest.mark.parametrize("flags", [0, MAY])
def test_shrinking_may_cross_areas(world: World, flags: int) -> None:
    world.map(0, 2)
    world.map(3, 5, R)
    assert remap(world, 0, 5, 1, flags) == 0
    assert world.ranges() == [(0, 1)]
    world.check()


def test_growing_in_place(world: World) -> None:
    world.map(0, 2)
    assert remap(world, 0, 2, 4) == 0
    assert remap(world, 1, 3, 5) == 1, "also from inside the area (6f12be792fde)"
    assert world.ranges() == [(0, 6)]
    assert world.mm_view().data_vm == 6
    world.check()


def test_growing_up_to_a_neighbour_joins_it(world: World) -> None:
    world.map(0, 2)
    world.map(4, 6)
    assert remap(world, 0, 2, 4) == 0
    assert world.ranges() == [(0, 6)]
    assert remap(world, 0, 6, 8) == 0
    world.map(12, 13, R)
    assert remap(world, 0, 8, 12) == 0
    assert world.ranges() == [(0, 12), (12, 13)]
    world.check()


def test_no_room_to_grow(world: World) -> None:
    world.map(0, 2)
    world.map(3, 4, R)
    assert remap(world, 0, 2, 4) == -errno.ENOMEM
    got = world.space.sys_mremap(world.mm, B, 2 * P, 4 * P, MAY, 0)
    assert got == world.mm_view().mmap_base - 4 * P
    assert world.ranges() == [(3, 4)]
    world.check()


def test_only_the_end_of_an_area_grows_in_place(world: World) -> None:
    world.map(0, 4)
    assert remap(world, 0, 2, 3) == -errno.ENOMEM
    assert world.space.sys_mremap(world.mm, B, 2 * P, 3 * P, MAY, 0) > 0
    assert world.ranges() == [(2, 4)]
    world.check()


def test_growing_locked_memory_faults_it_in(world: World) -> None:
    world.map(0, 2, RW, FIXED | c.MAP_LOCKED)
    assert remap(world, 0, 2, 4) == 0
    assert world.mm_view().locked_vm == 4
    world.drop_capabilities()
    world.limit(c.RLIMIT_MEMLOCK, 5 * P)
    assert remap(world, 0, 4, 6) == -errno.EAGAIN
    assert remap(world, 0, 4, 5) == 0
    world.check()


def test_limits(world: World) -> None:
    world.map(0, 4)
    world.limit(c.RLIMIT_AS, 6 * P)
    assert remap(world, 0, 4, 7) == -errno.ENOMEM
    assert remap(world, 0, 4, 6) == 0
    assert remap(world, 0, 1, 1, MAY | KEEP, 20) == -errno.ENOMEM
    world.check()


# Moving.


@pytest.mark.parametrize("written", [False, True])
def test_there_and_back_home(world: World, written: bool) -> None:
    world.map(0, 4)
    if written:
        world.write(0, 4)
    assert remap(world, 1, 2, 2, MAY | FIX, 20) == 20
    assert world.ranges() == [(0, 1), (3, 4), (20, 22)]
    world.check()
    assert remap(world, 20, 2, 2, MAY | FIX, 1) == 1
    assert world.ranges() == [(0, 4)]
    world.check()


def test_written_memory_keeps_its_page_offset(world: World) -> None:
    world.map(0, 4)
    world.write(2, 4)
    assert remap(world, 2, 2, 2, MAY | FIX, 20) == 20
    assert world.vma(20).vm_pgoff == (B >> 12) + 2
    world.map(22, 24)
    assert world.ranges() == [(0, 2), (20, 22), (22, 24)]
    world.check()


def test_clean_memory_is_as_if_new(world: World) -> None:
    world.map(0, 2)
    world.map(22, 24)
    assert remap(world, 0, 2, 2, MAY | FIX, 20) == 20
    assert world.ranges() == [(20, 24)]
    world.check()


def test_clean_memory_may_join_itself(world: World) -> None:
    world.map(0, 4)
    assert remap(world, 1, 2, 2, MAY | FIX, 4) == 4
    assert world.ranges() == [(0, 1), (3, 6)]
    world.check()


def test_what_was_there_is_gone(world: World) -> None:
    world.map(0, 2)
    world.map(20, 26, R)
    assert remap(world, 0, 2, 2, MAY | FIX, 22) == 22
    assert world.ranges() == [(20, 22), (22, 24), (24, 26)]
    world.check()


def test_a_failure_after_the_place_was_cleared(world: World) -> None:
    """6.1 unmaps first; 6.18 looks at the source first."""
    world.map(0, 2)
    world.map(20, 24, R)
    assert remap(world, 0, 4, 3, MAY | FIX, 20) in (-errno.EFAULT, -errno.ENOMEM)
    kept = (20, 24) in world.ranges()
    assert kept is world.new
    world.check()


def test_shrinking_while_moving(world: World) -> None:
    world.map(0, 6)
    assert remap(world, 0, 6, 2, MAY | FIX, 20) == 20
    assert world.ranges() == [(20, 22)]
    world.check()


def test_growing_while_moving(world: World) -> None:
    world.map(0, 6)
    assert remap(world, 2, 2, 5, MAY | FIX, 20) == 20
    assert world.ranges() == [(0, 2), (4, 6), (20, 25)]
    assert world.mm_view().total_vm == 9
    world.check()


def test_sharing_again(world: World) -> None:
    """An old length of 0 maps shared memory a second time."""
    world.map(0, 2, RW, SHARED)
    assert remap(world, 0, 0, 2, MAY | FIX, 20) == 20
    assert world.ranges() == [(0, 2), (20, 22)]
    assert world.vma(0).vm_file == world.vma(20).vm_file
    assert remap(world, 0, 0, 1, 0) == -errno.ENOMEM
    world.check()


def test_the_charge_moves_along(world: World) -> None:
    world.map(0, 6)
    before = world.in_use()["committed"]
    assert remap(world, 2, 2, 2, MAY | FIX, 20) == 20
    assert world.in_use()["committed"] == before
    for page in (0, 4, 20):
        assert world.flags(page) & c.VM_ACCOUNT
    world.unmap(0, 40)
    assert world.in_use()["committed"] == before - 6
    world.check()


def test_locked_memory_stays_locked_and_counted(world: World) -> None:
    world.map(0, 4, RW, FIXED | c.MAP_LOCKED)
    assert remap(world, 1, 2, 2, MAY | FIX, 20) == 20
    assert world.mm_view().locked_vm == 4
    assert world.flags(20) & c.VM_LOCKED
    world.check()


@pytest.mark.parametrize(("below", "result"), [(5, -errno.ENOMEM), (6, 20)])
def test_map_limit_of_a_fixed_move(world: World, below: int, result: int) -> None:
    """Two areas more must leave more than three free, before anything is unmapped."""
    world.map(0, 2)
    world.sysctl(max_map_count=1 + below)
    assert remap(world, 0, 1, 1, MAY | FIX, 20) == result


@pytest.mark.parametrize(("below", "moves"), [(3, False), (4, True)])
def test_map_limit_of_any_move(world: World, below: int, moves: bool) -> None:
    world.map(0, 2)
    world.sysctl(max_map_count=1 + below)
    got = world.space.sys_mremap(world.mm, B, P, 2 * P, MAY, 0)
    assert (got > 0) is moves
    assert moves or got == -errno.ENOMEM


# Keeping the source.


def test_keeping_the_source(world: World) -> None:
    world.map(0, 2)
    world.write(0, 2)
    assert remap(world, 0, 2, 2, MAY | KEEP | FIX, 20) == 20
    assert world.ranges() == [(0, 2), (20, 22)]
    assert world.vma(0).anon_vma == 0
    assert world.vma(20).anon_vma != 0
    assert world.mm_view().total_vm == 4
    world.check()


def test_keeping_part_of_the_source(world: World) -> None:
    world.map(0, 4)
    world.write(0, 4)
    assert remap(world, 1, 2, 2, MAY | KEEP | FIX, 20) == 20
    assert world.ranges() == [(0, 4), (20, 22)]
    assert world.vma(0).anon_vma != 0
    world.check()


def test_the_emptied_source_counts_pages_from_where_it_is(world: World) -> None:
    """6.1.192 has this; in 6.18.44 it keeps the offset that its pages had."""
    world.map(0, 2)
    world.write(0, 2)
    remap(world, 0, 2, 2, MAY | FIX, 10)
    remap(world, 10, 2, 2, MAY | KEEP | FIX, 20)
    world.map(12, 14)
    assert ((10, 14) in world.ranges()) is not world.new
    world.check(*(["VM-17"] if world.new else []))


def test_a_clean_source_and_its_copy_stay_apart(world: World) -> None:
    """6.18 lets them become one."""
    world.map(0, 2)
    assert remap(world, 0, 2, 2, MAY | KEEP | FIX, 2) == 2
    assert world.ranges() == ([(0, 4)] if world.new else [(0, 2), (2, 4)])


def test_a_locked_source_is_unlocked(old: World) -> None:
    """Only what moved: the rest is split off first."""
    old.map(0, 4, RW, FIXED | c.MAP_LOCKED)
    assert remap(old, 1, 2, 2, MAY | KEEP | FIX, 20) == 20
    assert [bool(old.flags(page) & c.VM_LOCKED) for page in (0, 1, 2, 3)] == [1, 0, 0, 1]
    assert old.mm_view().locked_vm == 4
    old.check()


def test_6_18_unlocks_all_of_the_source_and_counts_it_still(new: World) -> None:
    """As the kernel does: VmLck stays too high for ever."""
    new.map(0, 4, RW, FIXED | c.MAP_LOCKED)
    assert remap(new, 1, 2, 2, MAY | KEEP | FIX, 20) == 20
    assert new.flags(0) & c.VM_LOCKED == 0
    assert new.mm_view().locked_vm == 6


# Several areas (6.17).


def test_several_areas_move_together(new: World) -> None:
    new.map(0, 2)
    new.map(3, 4, R)
    new.map(5, 6)
    assert remap(new, 0, 8, 8, MAY | FIX, 20) == 20
    assert new.ranges() == [(20, 22), (23, 24), (25, 26)]
    new.check()


def test_several_areas_are_too_many_for_6_1(old: World) -> None:
    old.map(0, 2)
    old.map(2, 4, R)
    assert remap(old, 0, 4, 4, MAY | FIX, 20) == -errno.EFAULT


def test_a_source_that_its_own_target_has_unmapped(new: World) -> None:
    """Seed 10011110 on 6.18: an old length that wraps lies nowhere, so the target may be it;
    what the target covered is gone before the rest is looked at."""
    new.map(0, 4)
    wraps = 2**64 - P
    got = new.space.sys_mremap(new.mm, B, wraps, 2 * P, MAY | FIX, B)
    assert got == -errno.EFAULT
    assert new.ranges() == [(2, 4)]
    new.check()


def test_the_first_page_must_be_mapped(new: World) -> None:
    new.map(1, 3)
    assert remap(new, 0, 4, 4, MAY | FIX, 20) == -errno.EFAULT
    assert new.ranges() == [(1, 3)]


def test_files_with_a_search_of_their_own_move_alone(new: World) -> None:
    zero = new.space.open_file("/dev/zero", 0, 5, 4, c.O_RDWR)
    new.map(0, 2, RW, c.MAP_PRIVATE | c.MAP_FIXED, zero)
    new.map(2, 4, R)
    assert remap(new, 0, 4, 4, MAY | FIX, 20) == -errno.EFAULT
    assert remap(new, 0, 2, 2, MAY | FIX, 20) == 20
    new.map(0, 2)
    assert new.ranges() == [(0, 2), (2, 4), (20, 22)]
    assert remap(new, 20, 2, 2, MAY | FIX, 4) == 4
    assert remap(new, 0, 6, 6, MAY | FIX, 20) == -errno.EFAULT, "the first ones have moved"
    assert new.ranges() == [(4, 6), (20, 22), (22, 24)]
    new.check()


# Special areas, no memory.


def test_special_mappings(world: World) -> None:
    mm = world.space.load_image(world.task, lines(STATIC))
    world.mm = mm
    world.adopt(world.task, mm)
    vvar, vdso = 0x7FFFF7FF9000, 0x7FFFF7FFD000
    move = world.space.sys_mremap
    assert move(mm, vdso, P, P, MAY | FIX, B) == -errno.EINVAL
    assert move(mm, vdso, 2 * P, 3 * P, MAY, 0) == -errno.EFAULT
    assert move(mm, vvar, 4 * P, 4 * P, MAY | KEEP | FIX, B) == -errno.EINVAL
    assert move(mm, vdso, 2 * P, 2 * P, MAY | FIX, B) == B
    assert "[vdso]" in world.space.proc_maps(mm)


@pytest.mark.parametrize("left", range(14))
@pytest.mark.parametrize("flags", [MAY | FIX, MAY | FIX | KEEP])
def test_no_memory_at_any_point(world: World, left: int, flags: int) -> None:
    world.map(0, 8)
    world.write(0, 8)
    with world.failing(left):
        got = remap(world, 2, 3, 3, flags, 20)
    assert got in (20, -errno.ENOMEM)
    assert world.flags(0)
    assert world.flags(7)
    # Where the source could not be unmapped after the copy, the kernel charges it twice.
    doubled = flags & KEEP == 0 and sum(end - start for start, end in world.ranges()) > 8
    world.check(*(["VM-33"] if doubled else []))
