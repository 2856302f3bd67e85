"""Merging: the eight cases, what faulting does to them, and who wins."""

import errno

import pytest
from world import ANON, FIXED, NONE, RW, RWX, B, P, R, World

from mmtwin.space import flags as c


def test_an_area_takes_the_flags_of_its_kind(world: World) -> None:
    world.map(0, 1, RW)
    world.map(2, 3, R)
    world.map(4, 5, NONE)
    world.map(6, 7, RW, FIXED | c.MAP_NORESERVE)
    world.map(8, 9, RW, c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_FIXED)
    may = c.VM_MAY_ALL | c.VM_SOFTDIRTY
    assert world.flags(0) == c.VM_READ | c.VM_WRITE | may | c.VM_ACCOUNT
    assert world.flags(2) == c.VM_READ | may
    assert world.flags(4) == may
    assert world.flags(6) == c.VM_READ | c.VM_WRITE | may | c.VM_NORESERVE
    assert world.flags(8) == c.VM_READ | c.VM_WRITE | may | c.VM_SHARED | c.VM_MAYSHARE
    world.check()


@pytest.mark.parametrize("faulted", [False, True])
def test_cases_4_and_5_move_a_border(world: World, faulted: bool) -> None:
    """Case 4: the tail of p joins n. Case 5: the head of m joins p."""
    world.map(0, 8, RW)
    if faulted:
        world.write(0, 8)
    world.protect(4, 8, R)
    assert world.ranges() == [(0, 4), (4, 8)]
    world.protect(2, 4, R)
    assert world.ranges() == [(0, 2), (2, 8)]
    world.protect(2, 5, RW)
    assert world.ranges() == [(0, 5), (5, 8)]
    assert [v.get("vm_pgoff") for v in world.vmas()] == [(B >> 12), (B >> 12) + 5]
    world.check()


@pytest.mark.parametrize("faulted", [False, True])
def test_case_6_makes_one_of_three(world: World, faulted: bool) -> None:
    world.map(0, 9, RW)
    if faulted:
        world.write(0, 9)
    world.protect(3, 6, RWX)
    assert world.ranges() == [(0, 3), (3, 6), (6, 9)]
    world.protect(3, 6, RW)
    assert world.ranges() == [(0, 9)]
    assert world.mm_view().map_count == 1
    world.check()


@pytest.mark.parametrize("faulted", [False, True])
def test_cases_7_and_8_remove_the_middle(world: World, faulted: bool) -> None:
    """Case 7: m joins p. Case 8: m joins n; the VMA that stays is n's."""
    world.map(0, 9, RW)
    if faulted:
        world.write(0, 9)
    world.protect(3, 6, R)
    world.protect(6, 9, RWX)
    world.protect(3, 6, RW)
    assert world.ranges() == [(0, 6), (6, 9)]
    world.protect(3, 6, R)
    stays = world.space.vma_lookup(world.mm, B + 6 * P)
    world.protect(3, 6, RWX)
    assert world.ranges() == [(0, 3), (3, 9)]
    assert world.space.vma_lookup(world.mm, B + 3 * P) == stays
    assert world.vma(3).get("vm_pgoff") == (B >> 12) + 3
    world.check()


def test_cases_1_to_3_take_new_memory_in(world: World) -> None:
    world.map(0, 2, RW)
    world.map(2, 4, RW)
    assert world.ranges() == [(0, 4)]
    world.map(8, 10, RW)
    world.map(6, 8, RW)
    assert world.ranges() == [(0, 4), (6, 10)]
    world.map(4, 6, RW)
    assert world.ranges() == [(0, 10)]
    world.check()


# Table of outcomes: mprotect of area a next to v, to the same flags.

OUTCOMES = [
    (False, False, True, True),
    (False, True, True, True),
    (True, False, False, True),
]


@pytest.mark.parametrize(("area", "other", "in_6_1", "in_6_18"), OUTCOMES)
@pytest.mark.parametrize("below", [False, True])
def test_who_was_written_to_decides(
    world: World, area: bool, other: bool, in_6_1: bool, in_6_18: bool, below: bool
) -> None:
    a, v = ((0, 3), (3, 6)) if below else ((3, 6), (0, 3))
    world.map(*v, RW)
    world.map(*a, RWX)
    if area:
        world.write(*a)
    if other:
        world.write(*v)
    world.protect(*a, RW)
    merged = in_6_18 if world.new else in_6_1
    assert world.ranges() == ([(0, 6)] if merged else [(0, 3), (3, 6)])
    world.check()


def test_two_anon_vmas_never_share_an_area(world: World) -> None:
    """Both written while a gap lay between them: each has an anon_vma of its own."""
    world.map(0, 1, RW)
    world.map(2, 3, RW)
    world.write(0, 1)
    world.write(2, 3)
    world.map(1, 2, RW)
    assert world.ranges() == ([(0, 2), (2, 3)] if world.new else [(0, 1), (1, 3)])
    world.check()


def test_pieces_of_one_area_share_an_anon_vma(world: World) -> None:
    world.map(0, 3, RW)
    world.write(0, 3)
    world.protect(1, 2, R)
    assert len({v.get("anon_vma") for v in world.vmas()}) == 1
    world.protect(1, 2, RW)
    assert world.ranges() == [(0, 3)]


def test_neighbours_written_in_turn_share_an_anon_vma(world: World) -> None:
    """The next neighbour's is taken first, then the previous one's."""
    world.map(0, 3, RW)
    world.protect(1, 2, R)
    world.write(0, 1)
    world.protect(1, 2, RWX)
    world.write(1, 2)
    assert world.vma(0).get("anon_vma") == world.vma(1).get("anon_vma")
    world.write(2, 3)
    assert world.vma(2).get("anon_vma") == world.vma(1).get("anon_vma")
    world.protect(1, 2, RW)
    assert world.ranges() == [(0, 3)]


@pytest.mark.parametrize("prot", [RW, R])
def test_locking_the_middle_of_untouched_memory(world: World, prot: int) -> None:
    """mlock writes to the middle of a writable area: in 6.1 that leaves three for ever."""
    world.map(0, 4, prot)
    assert world.space.sys_mlock(world.mm, B + P, 2 * P) == 0
    assert world.space.sys_munlock(world.mm, B + P, 2 * P) == 0
    apart = prot == RW and not world.new
    assert world.ranges() == ([(0, 1), (1, 3), (3, 4)] if apart else [(0, 4)])
    world.check()


def test_account_sticks_to_what_was_writable(world: World) -> None:
    """What was writable stays charged; since 6.14 only if it was written to."""
    world.map(0, 1, R)
    world.map(1, 2, RW)
    world.protect(1, 2, R)
    world.map(2, 3, R)
    assert world.ranges() == ([(0, 3)] if world.new else [(0, 1), (1, 2), (2, 3)])
    world.map(4, 5, RW)
    world.write(4, 5)
    world.protect(4, 5, R)
    assert world.flags(4) & c.VM_ACCOUNT
    world.check()


def test_mmap_prefers_next_in_6_1_and_prev_later(world: World) -> None:
    world.map(0, 1, RW)
    world.map(2, 3, RW)
    world.write(0, 1)
    world.write(2, 3)
    assert world.map(1, 2, RW) == B + P
    assert ((0, 2) in world.ranges()) == world.new
    assert ((1, 3) in world.ranges()) == (not world.new)


def test_new_memory_between_clean_and_written(world: World) -> None:
    """6.1: clean below, written above: only next grows. The other way round all become one."""
    world.map(0, 1, RW)
    world.map(2, 3, RW)
    world.write(2, 3)
    world.map(1, 2, RW)
    assert world.ranges() == ([(0, 3)] if world.new else [(0, 1), (1, 3)])
    world.map(10, 11, RW)
    world.map(12, 13, RW)
    world.write(10, 11)
    world.map(11, 12, RW)
    assert world.ranges()[-1] == (10, 13)
    world.check()


def test_sixteen_pages_come_together_again(world: World) -> None:
    world.map(0, 16, RW)
    for page in range(1, 16, 2):
        world.protect(page, page + 1, R)
    assert len(world.ranges()) == 16
    for page in range(1, 16, 2):
        world.protect(page, page + 1, RW)
    assert world.ranges() == [(0, 16)]
    world.check()


def test_execute_and_back_around_a_write(world: World) -> None:
    world.map(0, 3, RW)
    world.protect(1, 2, RWX)
    world.write(1, 2)
    world.protect(1, 2, RW)
    assert world.ranges() == ([(0, 3)] if world.new else [(0, 1), (1, 2), (2, 3)])
    world.unmap(0, 3)
    world.map(0, 3, RW)
    world.write(0, 3)
    world.protect(1, 2, RWX)
    world.write(1, 2)
    world.protect(1, 2, RW)
    assert world.ranges() == [(0, 3)]


# Files.


def test_file_areas_merge_where_offsets_go_on(world: World) -> None:
    file = world.open()
    private = c.MAP_PRIVATE | c.MAP_FIXED
    world.map(0, 2, R, private, file, 0)
    world.map(2, 4, R, private, file, 2)
    assert world.ranges() == [(0, 4)]
    world.map(4, 6, R, private, file, 5)
    assert world.ranges() == [(0, 4), (4, 6)]
    world.check()


def test_two_opens_of_one_file_never_merge(world: World) -> None:
    private = c.MAP_PRIVATE | c.MAP_FIXED
    world.map(0, 2, R, private, world.open(), 0)
    world.map(2, 4, R, private, world.open(), 2)
    assert world.ranges() == [(0, 2), (2, 4)]


def test_each_shared_anonymous_mapping_has_its_own_object(world: World) -> None:
    shared = c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_FIXED
    world.map(0, 2, RW, shared)
    world.map(2, 4, RW, shared)
    assert world.ranges() == [(0, 2), (2, 4)]
    world.protect(0, 1, R)
    world.protect(0, 1, RW)
    assert world.ranges() == [(0, 2), (2, 4)]
    world.check()


def test_private_dev_zero_keeps_its_file(world: World) -> None:
    zero = world.open("/dev/zero")
    world.map(0, 2, RW, c.MAP_PRIVATE | c.MAP_FIXED, zero)
    world.map(2, 4, RW)
    assert world.ranges() == [(0, 2), (2, 4)]
    assert world.vma(0).get("vm_ops") == 0
    assert "/dev/zero\n" in world.space.proc_maps(world.mm)


def test_special_areas_never_merge(world: World) -> None:
    device = world.open("/dev/fb0", kind=4)
    world.map(0, 2, RW, c.MAP_SHARED | c.MAP_FIXED, device, 0)
    world.map(2, 4, RW, c.MAP_SHARED | c.MAP_FIXED, device, 2)
    assert world.ranges() == [(0, 2), (2, 4)]
    assert world.flags(0) & c.VM_SPECIAL


# Names.


def test_names_keep_areas_apart(world: World) -> None:
    world.map(0, 3, RW)
    assert world.space.sys_prctl_set_vma(world.mm, 0, B + P, P, "middle") == 0
    assert world.ranges() == [(0, 1), (1, 2), (2, 3)]
    assert "[anon:middle]" in world.space.proc_maps(world.mm)
    assert world.space.sys_prctl_set_vma(world.mm, 0, B + P, P, None) == 0
    assert world.ranges() == [(0, 3)]


def test_splits_refused_at_the_map_limit(world: World) -> None:
    """Splits are refused at the limit; advice says EAGAIN, mprotect ENOMEM and keeps one split."""
    world.map(0, 8, RW)
    world.map(10, 11, RW)
    for limit, protect, advise in (
        (2, -errno.ENOMEM, -errno.EAGAIN),
        (3, -errno.ENOMEM, -errno.EAGAIN),
        (4, 0, 0),
    ):
        world.sysctl(max_map_count=limit)
        assert world.protect(2, 5, R) == protect, limit
        kept = [(0, 2), (2, 8), (10, 11)] if limit == 3 else [(0, 8), (10, 11)]
        assert world.ranges() == (kept if protect else [(0, 2), (2, 5), (5, 8), (10, 11)])
        world.sysctl(max_map_count=65530)
        world.unmap(0, 8)
        world.map(0, 8, RW)
        world.sysctl(max_map_count=limit)
        assert world.advise(2, 5, c.MADV_RANDOM) == advise, limit
        world.sysctl(max_map_count=65530)
        world.unmap(0, 8)
        world.map(0, 8, RW)
    world.check()


def test_hints_are_taken_only_where_nothing_is(world: World) -> None:
    world.map(0, 2, RW)
    above = world.space.sys_mmap(world.mm, B + 2 * P, P, R, ANON, 0, 0)
    assert above == B + 2 * P
    taken = world.space.sys_mmap(world.mm, B + P, 2 * P, R, ANON, 0, 0)
    assert taken not in (B + P, B + 2 * P)
