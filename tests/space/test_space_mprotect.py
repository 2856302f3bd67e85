"""mprotect: the order of checks, areas one after another, accounts, limits, merging back."""

import errno

import pytest
from maps_text import STATIC, lines
from world import ANON, FIXED, NONE, RW, RWX, B, P, R, W, World, X

from mmtwin.space import flags as c

SHARED = c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_FIXED
BOTH = c.PROT_GROWSDOWN | c.PROT_GROWSUP


@pytest.mark.parametrize(
    ("addr", "length", "prot", "result"),
    [
        (B + 1, P, R | BOTH, -errno.EINVAL),
        (B + 1, P, R, -errno.EINVAL),
        (B + 1, 0, R, -errno.EINVAL),
        (B, 0, 0xF0, 0),
        (B, 2**64 - 1, 0xF0, -errno.ENOMEM),
        (2**64 - P, P, R, -errno.ENOMEM),
        (B, P, 0x10, -errno.EINVAL),
        (B, P, R | 1 << 32, -errno.EINVAL),
        (B, P, R | c.PROT_SEM, 0),
        (B + 8 * P, P, R, -errno.ENOMEM),
        (B - P, 2 * P, R, -errno.ENOMEM),
        (B, 5 * P, R, -errno.ENOMEM),
        (B, P, R | c.PROT_GROWSUP, -errno.EINVAL),
        (B, P, R | c.PROT_GROWSDOWN, -errno.EINVAL),
    ],
)
def test_arguments(world: World, addr: int, length: int, prot: int, result: int) -> None:
    world.map(0, 4)
    assert world.space.sys_mprotect(world.mm, addr, length, prot) == result


@pytest.mark.parametrize(
    ("pkeys", "pkey", "result"),
    [
        (0, 2**64 - 1, 0),
        (0, 0xFFFFFFFF, 0),
        (0, 0, -errno.EINVAL),
        (1, 0, 0),
        (1, 1, -errno.EINVAL),
    ],
)
def test_keys(world: World, pkeys: int, pkey: int, result: int) -> None:
    """Without the CPU's support not even key 0 may be named."""
    world.map(0, 1)
    world.sysctl(pkeys=pkeys)
    assert world.space.sys_pkey_mprotect(world.mm, B, P, R, pkey) == result
    assert (world.flags(0) & c.VM_WRITE == 0) == (result == 0)


def test_earlier_areas_stay_changed(world: World) -> None:
    world.map(0, 2)
    world.map(3, 4)
    assert world.protect(0, 4, R) == -errno.ENOMEM
    assert world.flags(0) & c.VM_ACCESS_FLAGS == c.VM_READ
    assert world.flags(3) & c.VM_ACCESS_FLAGS == c.VM_READ | c.VM_WRITE
    world.check()


def test_what_the_file_forbids(world: World) -> None:
    file = world.open(flags=c.O_RDONLY)
    world.map(0, 4, R, c.MAP_SHARED | c.MAP_FIXED, file)
    world.map(4, 6, RW)
    assert world.protect(1, 2, RW) == -errno.EACCES
    assert world.ranges() == [(0, 4), (4, 6)]
    assert world.protect(1, 2, R | X) == 0
    world.check()


def test_grows_down_begins_at_the_areas_start(world: World) -> None:
    world.map(0, 4, RW, FIXED | c.MAP_GROWSDOWN)
    assert world.protect(2, 3, R | c.PROT_GROWSDOWN) == 0
    assert [world.flags(page) & c.VM_WRITE for page in range(4)] == [0, 0, 0, c.VM_WRITE]


def test_reading_implies_executing(world: World) -> None:
    task = world.space.view("task_struct", world.task)
    world.map(0, 2, RW)
    task.personality = c.READ_IMPLIES_EXEC
    assert world.protect(0, 1, R) == 0
    assert world.protect(1, 2, W) == 0
    assert world.flags(0) & c.VM_ACCESS_FLAGS == c.VM_READ | c.VM_EXEC
    assert world.flags(1) & c.VM_ACCESS_FLAGS == c.VM_WRITE


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("flags", [FIXED, SHARED, FIXED | c.MAP_NORESERVE])
def test_there_and_back_is_one_area(world: World, flags: int, written: bool) -> None:
    world.map(0, 16, RW, flags)
    if written:
        world.write(0, 16)
    for page in range(1, 16, 2):
        assert world.protect(page, page + 1, R) == 0
    assert len(world.ranges()) == 16
    for page in range(1, 16, 2):
        assert world.protect(page, page + 1, RW) == 0
    assert world.ranges() == [(0, 16)]
    world.check()


def test_a_merge_with_what_follows_needs_no_visit(world: World) -> None:
    """The walk goes on where the merged area ends."""
    world.map(0, 2, RW)
    world.map(2, 4, R)
    world.map(4, 6, RW)
    assert world.protect(0, 6, R) == 0
    assert [world.flags(page) & c.VM_WRITE for page in range(6)] == [0] * 6
    world.check()


def test_the_charge_sticks(world: World) -> None:
    """Memory that was writable once stays charged; 6.18 gives never-written memory's back."""
    world.map(0, 2, RW)
    world.map(4, 6, RW)
    world.write(4, 6)
    before = world.in_use()["committed"]
    assert world.protect(0, 2, R) == 0
    assert world.protect(4, 6, R) == 0
    assert world.flags(4) & c.VM_ACCOUNT
    assert bool(world.flags(0) & c.VM_ACCOUNT) is not world.new
    assert before - world.in_use()["committed"] == (2 if world.new else 0)
    world.check()


@pytest.mark.parametrize(
    ("prot", "flags", "charged"),
    [(R, FIXED, 3), (NONE, FIXED, 3), (R, FIXED | c.MAP_NORESERVE, 0), (R, SHARED, 0)],
)
def test_what_becoming_writable_costs(world: World, prot: int, flags: int, charged: int) -> None:
    world.map(0, 3, prot, flags)
    before = world.in_use()["committed"]
    assert world.protect(0, 3, RW) == 0
    assert world.in_use()["committed"] - before == charged
    world.check()


def test_too_much_to_charge(world: World) -> None:
    world.map(0, 8, R)
    world.sysctl(totalram_pages=4)
    assert world.protect(0, 8, RW) == -errno.ENOMEM
    assert world.flags(0) & c.VM_WRITE == 0
    assert world.protect(0, 4, RW) == 0
    world.check()


def test_data_limit(world: World) -> None:
    world.map(0, 8, R)
    world.limit(c.RLIMIT_DATA, 4 * P)
    assert world.protect(0, 5, RW) == -errno.ENOMEM
    assert world.protect(0, 4, RW) == 0
    assert world.protect(0, 4, RWX) == 0
    assert world.mm_view().data_vm == 4


@pytest.mark.parametrize(
    ("room", "result", "areas"),
    [
        (0, -errno.ENOMEM, 1),
        (1, -errno.ENOMEM, 2),
        (2, 0, 3),
    ],
)
def test_map_limit_is_asked_at_each_split(world: World, room: int, result: int, areas: int) -> None:
    """The first split stays when the second fails."""
    world.map(0, 8)
    world.sysctl(max_map_count=1 + room)
    assert world.protect(2, 4, R) == result
    assert len(world.ranges()) == areas
    world.check()


def test_counters_move_to_the_new_class(world: World) -> None:
    world.map(0, 4, RW)
    assert world.protect(0, 4, R | X) == 0
    view = world.mm_view()
    assert (view.total_vm, view.data_vm, view.exec_vm) == (4, 0, 4)


def test_locked_memory_that_becomes_writable_is_written(world: World) -> None:
    world.map(0, 2, R, FIXED | c.MAP_LOCKED)
    assert world.vma(0).anon_vma == 0
    assert world.protect(0, 2, RW) == 0
    assert world.vma(0).anon_vma != 0


def test_special_mappings_are_not_split(world: World) -> None:
    mm = world.space.load_image(world.task, lines(STATIC))
    world.mm = mm
    world.adopt(world.task, mm)
    vdso = 0x7FFFF7FFD000
    assert world.space.sys_mprotect(mm, vdso, P, R) == -errno.EINVAL
    assert world.space.sys_mprotect(mm, vdso, 2 * P, R) == 0


@pytest.mark.parametrize("left", range(12))
def test_no_memory_at_any_point(world: World, left: int) -> None:
    """Whatever fails, what is there is whole."""
    world.map(0, 9)
    world.write(0, 9)
    world.protect(3, 6, R)
    with world.failing(left):
        result = world.protect(4, 8, RW)
    assert result in (0, -errno.ENOMEM)
    assert sum(end - start for start, end in world.ranges()) == 9
    world.check()


def test_an_area_without_hint_is_protected_too(world: World) -> None:
    addr = world.anywhere(4, RW, ANON)
    assert world.space.sys_mprotect(world.mm, addr + P, P, NONE) == 0
    assert len(world.vmas()) == 3
