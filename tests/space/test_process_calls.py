"""process_madvise as 6.1.192 in a guest and 6.18 answered."""

import pytest
from world import B, World

from mmtwin.machine.profile import PROFILES
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.twin import Twin

A, P = 0x10000000, 0x1000


@pytest.mark.parametrize(("profile", "error"), [("6.1", -14), ("6.18", -12)])
def test_a_range_too_long_is_cut_before_or_after_it_is_looked_at(profile: str, error: int) -> None:
    space = Twin(PROFILES[profile], ram=1 << 26).space
    mm = space.mm_alloc(space.task_alloc(0))
    space.sys_mmap(mm, A, P, 3, c.MAP_PRIVATE | c.MAP_ANONYMOUS | c.MAP_FIXED, 0, 0)
    result = space.sys_process_madvise(mm, A, 1 << 47, c.MADV_COLD, 0)
    assert result == error


def test_what_may_be_advised_from_outside() -> None:
    space = Twin(PROFILES["6.1"], ram=1 << 26).space
    mm = space.mm_alloc(space.task_alloc(0))
    space.sys_mmap(mm, A, P, 3, c.MAP_PRIVATE | c.MAP_ANONYMOUS | c.MAP_FIXED, 0, 0)
    assert space.sys_process_madvise(mm, A, P, c.MADV_COLD, 0) == P
    assert space.sys_process_madvise(mm, A, P, c.MADV_RANDOM, 0) == -22
    assert space.sys_process_madvise(mm, A, 0, c.MADV_RANDOM, 0) == -22
    assert space.sys_process_madvise(mm, A, P, c.MADV_COLD, 1) == -22


@pytest.mark.parametrize("profile", ["6.1", "6.18"])
def test_what_is_read_is_unshared_first_and_what_was_written_is_dirty(profile: str) -> None:
    """gup_must_unshare (seeds 6004972 and 6006784 on 6.18), unpin_user_pages_dirty_lock."""
    world = World(profile)
    world.sysctl(thp_enabled=0)
    world.map(0, 3)
    world.write(0, 2)
    child = world.fork()
    space = world.space
    shared = space.leaf_entry(world.mm, B)
    assert space.sys_process_vm(world.mm, B, 8, False) == 8
    entry = space.leaf_entry(world.mm, B)
    assert space.pfn_of(entry) != space.pfn_of(shared)
    assert entry & (p.DIRTY | p.RW) == 0
    assert space.leaf_entry(child.mm, B) == shared & ~p.ACCESSED
    assert space.sys_process_vm(world.mm, B + P, 8, True) == 8
    page = space.page_of(space.leaf_entry(world.mm, B + P))
    assert space.page_flag(page, space.pg_dirty)
    assert space.sys_process_vm(world.mm, B + 2 * P, 8, False) == 8
    assert space.leaf_entry(world.mm, B + 2 * P) & p.SPECIAL
    assert space.sys_process_vm(child.mm, B, 8, False) == 8
    assert space.pfn_of(space.leaf_entry(child.mm, B)) == space.pfn_of(shared)
    world.check()


@pytest.mark.parametrize("profile", ["6.1", "6.18"])
def test_a_huge_page_is_split_to_be_unshared(profile: str) -> None:
    world = World(profile)
    world.sysctl(thp_enabled=2)
    world.map(0, 512)
    world.write(0, 1)
    child = world.fork()
    space = world.space
    assert space.leaf_entry(child.mm, B) & p.PSE
    assert space.sys_process_vm(child.mm, B + 5 * P, 8, False) == 8
    assert not space.leaf_entry(child.mm, B) & p.PSE
    assert space.leaf_entry(world.mm, B) & p.PSE
    assert space.rss(child.mm, p.MM_ANONPAGES) == 512
    world.check()
