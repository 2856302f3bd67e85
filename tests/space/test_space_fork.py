"""fork: what the child gets, what it may merge, and failures at every allocation."""

import errno

import pytest
from world import FIXED, RW, B, P, R, World

from mmtwin.space import flags as c


def test_the_child_sees_the_same(world: World) -> None:
    world.map(0, 4)
    world.write(0, 4)
    world.map(4, 6, R, c.MAP_PRIVATE | c.MAP_FIXED, world.open())
    child = world.fork()
    assert world.space.proc_maps(child.mm) == world.space.proc_maps(world.mm)
    assert child.mm_view().total_vm == 6
    child.map(10, 12)
    assert world.ranges() == [(0, 4), (4, 6)]
    world.check()


def test_what_is_not_inherited(world: World) -> None:
    world.map(0, 2)
    world.map(4, 6)
    world.map(8, 10)
    world.write(0, 10)
    world.write(8, 10)
    world.space.sys_mlock(world.mm, B, 2 * P)
    world.advise(4, 6, c.MADV_DONTFORK)
    world.advise(8, 10, c.MADV_WIPEONFORK)
    world.space.sys_mlockall(world.mm, 2)
    child = world.fork()
    assert child.ranges() == [(0, 2), (8, 10)]
    assert not child.flags(0) & c.VM_LOCKED
    assert child.flags(8) & c.VM_WIPEONFORK
    assert child.vma(0).get("anon_vma")
    assert not child.vma(8).get("anon_vma")
    view = child.mm_view()
    assert (view.total_vm, view.locked_vm, view.def_flags, view.map_count) == (4, 0, 0, 2)
    world.check()


def test_a_clean_area_stays_clean(world: World) -> None:
    world.map(0, 2)
    child = world.fork()
    assert not child.vma(0).get("anon_vma")
    child.write(0, 1)
    assert child.vma(0).get("anon_vma")
    assert not world.vma(0).get("anon_vma")


def test_inherited_memory_takes_no_strangers(world: World) -> None:
    """The child's chain is longer than one; the parent is not affected."""
    world.map(0, 2)
    world.write(0, 2)
    child = world.fork()
    child.map(2, 3)
    world.map(2, 3)
    assert child.ranges() == [(0, 2), (2, 3)]
    assert world.ranges() == [(0, 3)]
    world.check()


def test_pieces_split_before_the_fork_cannot_come_together(world: World) -> None:
    world.map(0, 3)
    world.write(0, 3)
    world.protect(1, 2, R)
    child = world.fork()
    child.protect(1, 2, RW)
    world.protect(1, 2, RW)
    assert child.ranges() == [(0, 1), (1, 2), (2, 3)]
    assert world.ranges() == [(0, 3)]
    world.check()


def test_pieces_split_after_the_fork_can(world: World) -> None:
    world.map(0, 3)
    world.write(0, 3)
    child = world.fork()
    child.protect(1, 2, R)
    child.protect(1, 2, RW)
    assert child.ranges() == [(0, 3)]
    grandchild = child.fork()
    grandchild.protect(1, 2, R)
    grandchild.protect(1, 2, RW)
    assert grandchild.ranges() == [(0, 3)]
    world.check()


def test_anon_vmas_of_a_dead_middle_generation_are_used_again(world: World) -> None:
    """A child that forks and exits, over and over, must not make the family grow for ever."""
    world.map(0, 1)
    world.write(0, 1)
    child = world
    used = []
    for _ in range(6):
        parent, child = child, child.fork()
        child.write(0, 1)
        if parent is not world:
            parent.exit()
        used.append(world.space.anon_vma_cache.in_use())
        world.check()
    assert max(used) <= 4


@pytest.mark.parametrize("cache", [None, "maple_node", "vm_area_struct", "anon_vma_chain"])
def test_a_failure_at_any_allocation_gives_everything_back(world: World, cache: str | None) -> None:
    for page in range(0, 60, 2):
        world.map(page, page + 1)
    world.write(0, 1)
    world.write(30, 31)
    world.advise(20, 21, c.MADV_DONTFORK)
    before = world.in_use()
    maps = world.space.proc_maps(world.mm)
    failures = 0
    while True:
        with world.failing(failures, cache):
            mm = world.space.dup_mmap(world.mm, world.task)
        if mm > 0:
            break
        assert mm == -errno.ENOMEM
        assert world.in_use() == before
        failures += 1
    assert failures >= 1
    world.space.mmput(mm)
    assert world.in_use() == before
    assert world.space.proc_maps(world.mm) == maps
    world.check()


def test_an_overcommitted_fork_fails(world: World) -> None:
    world.map(0, 8)
    world.sysctl(overcommit_memory=2, overcommit_kbytes=48, user_reserve_kbytes=0)
    assert world.space.dup_mmap(world.mm, world.task) == -errno.ENOMEM
    world.sysctl(overcommit_kbytes=100)
    assert world.space.dup_mmap(world.mm, world.task) > 0


def test_exit_gives_everything_back(world: World) -> None:
    before = world.in_use()
    mm = world.space.mm_alloc(world.task)
    world.space.arch_pick_mmap_layout(mm)
    for page in range(50):
        flags = FIXED if page % 3 else c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_FIXED
        world.space.sys_mmap(mm, B + 2 * page * P, P, RW, flags, 0, 0)
        world.space.touch(mm, B + 2 * page * P, 1, True)
    child = world.space.dup_mmap(mm, world.task)
    world.space.mmput(mm)
    world.space.mmput(child)
    assert {k: v for k, v in world.in_use().items() if v != before[k]} == {}
