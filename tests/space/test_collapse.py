"""MADV_COLLAPSE of private memory; the daemon and shared memory; everything at random."""

import errno
from random import Random

import pytest
from huge_areas import (
    HUGE,
    OF_FILE,
    PRIVATE_FILE,
    SHARED,
    M,
    collapse,
    field,
    memfd,
    small_pages,
    tables,
)
from world import FIXED, RW, B, P, R, World

from mmtwin.space import flags as c
from modes import sample

# Anonymous memory.


def test_what_is_there_becomes_huge_at_once(world: World) -> None:
    small_pages(world, 0, 2 * HUGE, range(0, 2 * HUGE, 100))
    before = tables(world)
    assert collapse(world, 0, 2 * HUGE) == 0
    assert field(world, "AnonHugePages") == 4096
    assert tables(world) == before
    assert collapse(world, 0, 2 * HUGE) == 0


def test_nothing_to_do_is_done(world: World) -> None:
    small_pages(world, 0, HUGE, range(3))
    assert collapse(world, 3, 7) == -errno.EINVAL
    assert collapse(world, 0, 5) == 0
    assert field(world, "AnonHugePages") == 0


def test_an_empty_block_ends_the_call(world: World) -> None:
    """The one behind it stays as it is, and so does the result of what came before."""
    small_pages(world, 0, 3 * HUGE, range(0, HUGE, 64))
    assert world.write(2 * HUGE, 2 * HUGE + 1) == 0
    world.advise(2 * HUGE, 3 * HUGE, c.MADV_NOHUGEPAGE)
    world.advise(2 * HUGE, 3 * HUGE, c.MADV_DONTNEED)
    world.advise(0, 3 * HUGE, c.MADV_HUGEPAGE)
    assert collapse(world, 0, 3 * HUGE) == -errno.EINVAL
    assert field(world, "AnonHugePages") == 2048


def test_limits_of_the_daemon_do_not_bind(world: World) -> None:
    scan = world.twin.khugepaged.scan
    scan.max_ptes_none = scan.max_ptes_shared = scan.max_ptes_swap = 0
    small_pages(world, 0, HUGE, range(0, HUGE, 7))
    world.fork()
    assert world.write(7, 8) == 0
    assert world.advise(0, HUGE, c.MADV_COLD) == 0
    assert collapse(world, 0, HUGE) == 0
    assert field(world, "AnonHugePages") == 2048


def test_memory_that_nobody_may_write(world: World) -> None:
    small_pages(world, 0, HUGE, range(HUGE))
    assert world.protect(0, HUGE, R) == 0
    assert collapse(world, 0, HUGE) == (0 if world.new else -errno.EINVAL)


@pytest.mark.parametrize("advice", [c.MADV_NOHUGEPAGE, c.MADV_HUGEPAGE])
def test_sysfs_does_not_bind_but_advice_does(world: World, advice: int) -> None:
    small_pages(world, 0, HUGE, range(9))
    world.sysctl(thp_enabled=0)
    assert world.advise(0, HUGE, advice) == 0
    wanted = 0 if advice == c.MADV_HUGEPAGE else -errno.EINVAL
    assert collapse(world, 0, HUGE) == wanted


def test_a_page_that_is_referred_to_may_come_free(world: World) -> None:
    small_pages(world, 0, 2 * HUGE, range(0, 2 * HUGE, 2))
    page = world.space.page_of(world.space.ptep_get(world.space.pte_at(world.mm, B)))
    world.twin.pages.get_page(page)
    assert collapse(world, 0, 2 * HUGE) == -errno.EAGAIN
    assert field(world, "AnonHugePages") == 2048
    world.twin.pages.put_page(page)
    assert collapse(world, 0, 2 * HUGE) == 0


@pytest.mark.parametrize("name", ["6.1", "6.18"])
def test_without_memory(name: str) -> None:
    world = World(name, ram=64 * M)
    small_pages(world, 0, HUGE, range(5))
    held = []
    while head := world.twin.pages.alloc_pages(0x1C24CA & ~0x400, 9):
        held.append(head)
    assert collapse(world, 0, HUGE) == -errno.ENOMEM
    for head in held:
        world.twin.pages.put_page(head)


def test_pages_in_swap_come_back() -> None:
    world = World("6.1", ram=256 * M, swap=16 * M)
    small_pages(world, 0, HUGE, range(HUGE))
    assert world.advise(0, 300, c.MADV_PAGEOUT) == 0
    assert field(world, "Swap") == 1200
    assert collapse(world, 0, HUGE) == 0
    assert (field(world, "Swap"), field(world, "AnonHugePages")) == (0, 2048)


def test_guards_are_no_pages(new: World) -> None:
    small_pages(new, 0, HUGE, range(20))
    assert new.advise(30, 31, c.MADV_GUARD_INSTALL) == 0
    assert collapse(new, 0, HUGE) == -errno.EINVAL


# The daemon.


def scan_all(world: World) -> list[tuple[int, str]]:
    """A full scan: places counted in huge pages from ``B`` on, and what came of them."""
    daemon = world.twin.khugepaged
    until = daemon.scan.full_scans + 1
    told = []
    while daemon.scan.full_scans < until:
        mark = world.twin.memory.mark()
        told += [((at - B) // (2 * M), result) for _, at, result in daemon.step()]
        assert not world.checker.touched(mark)
        world.check()
    return told


def test_the_daemon_leaves_shared_memory_alone_unless_told(world: World) -> None:
    small_pages(world, 8 * HUGE, 9 * HUGE, range(8 * HUGE, 8 * HUGE + 9))
    world.map(0, HUGE, flags=SHARED)
    world.write(0, 300)
    assert scan_all(world) == [(8, "succeed")]
    world.sysctl(shmem_enabled=3)
    assert scan_all(world) == [(8, "pmd_mapped")]
    assert world.advise(0, HUGE, c.MADV_HUGEPAGE) == 0
    assert (0, "succeed") in scan_all(world)
    # The page is there, the tables are gone, the next touch maps it.
    assert field(world, "Rss") == 0
    assert world.read(3, 4) == 0
    assert field(world, "ShmemPmdMapped") == 2048


@pytest.mark.parametrize(
    ("limit", "value", "result"),
    [("max_ptes_none", 412, "succeed"), ("max_ptes_none", 411, "exceed_none_pte")],
)
def test_limits_for_shared_memory(world: World, limit: str, value: int, result: str) -> None:
    world.sysctl(shmem_enabled=1)
    setattr(world.twin.khugepaged.scan, limit, value)
    world.map(0, HUGE, flags=SHARED)
    world.write(0, 100)
    assert scan_all(world) == [(0, result)]


@pytest.mark.parametrize(("size", "eligible"), [(HUGE, 1), (HUGE - 1, 0)])
def test_within_size(world: World, size: int, eligible: int) -> None:
    world.sysctl(shmem_enabled=2)
    world.map(0, HUGE, flags=OF_FILE, file=memfd(world, size))
    record = world.space.smap(world.vma(0).address)
    assert int(record.split("THPeligible:")[1].split()[0]) == eligible


def test_the_daemon_takes_up_what_madv_collapse_left(old: World) -> None:
    old.sysctl(shmem_enabled=1)
    old.map(0, HUGE, flags=SHARED)
    old.write(0, 9)
    child = old.fork()
    child.read(0, 9)
    old.twin.khugepaged.enter(child.mm)
    before = tables(child)
    assert collapse(old, 0, HUGE) == 0
    assert child.read(9, 10) == 0
    (slot,) = old.twin.khugepaged.slots()
    assert slot.nr_pte_mapped_thp == 1
    old.twin.khugepaged.step()
    old.check()
    assert slot.nr_pte_mapped_thp == 0
    assert tables(child) == before - 1
    assert child.read(9, 10) == 0
    assert field(child, "ShmemPmdMapped") == 2048


@pytest.mark.parametrize("seed", sample(range(6), 3))
def test_anything_goes(world: World, seed: int) -> None:
    """Collapses among everything else that concerns huge pages; each step leaves all sound."""
    random = Random(seed)
    world.sysctl(shmem_enabled=random.choice([0, 1, 3]))
    file = memfd(world, 1300)
    inode = world.space.view("file", file).f_inode
    worlds = [world]
    made = 0
    for _ in range(120):
        who = random.choice(worlds)
        start = random.randrange(0, 6 * HUGE, HUGE)
        end = start + random.choice([HUGE, 2 * HUGE])
        inside = start + random.choice([0, 1, 100, 256, 511])
        until = inside + random.choice([1, 16, 200, 512])
        draw = random.random()
        mark = world.twin.memory.mark()
        if draw < 0.2:
            kind = random.choice([FIXED, SHARED, OF_FILE, OF_FILE, PRIVATE_FILE])
            of = file if kind in (OF_FILE, PRIVATE_FILE) else 0
            off = random.choice([0, 0, 0, HUGE, 1]) if of else 0
            who.map(start, end, RW, kind, of, off)
            who.advise(start, end, c.MADV_NOHUGEPAGE)
            # A frame that is freed and used again is seen as what it was: a step is one call.
            assert not world.checker.touched(mark)
            mark = world.twin.memory.mark()
            who.write(start, start + random.choice([1, 300]))
            who.advise(start, end, random.choice([c.MADV_HUGEPAGE] * 3 + [c.MADV_NOHUGEPAGE]))
        elif draw < 0.38:
            (who.write if random.random() < 0.6 else who.read)(inside, until)
        elif draw < 0.60:
            made += who.advise(start, start + HUGE, c.MADV_COLLAPSE) == 0
        elif draw < 0.70:
            advice = [c.MADV_DONTNEED, c.MADV_REMOVE, c.MADV_COLD, c.MADV_PAGEOUT, c.MADV_FREE]
            advice += [c.MADV_HUGEPAGE, c.MADV_POPULATE_WRITE]
            who.advise(inside, until, random.choice(advice))
        elif draw < 0.75:
            who.unmap(inside, until)
        elif draw < 0.82:
            who.protect(inside, until, random.choice([0, R, RW]))
        elif draw < 0.85:
            who.space.sys_mremap(
                who.mm, B + start * P, 2 * M, 2 * M, 3, B + random.randrange(7) * 2 * M + P
            )
        elif draw < 0.88:
            lock = random.choice([who.space.sys_mlock, who.space.sys_munlock])
            lock(who.mm, B + inside * P, (until - inside) * P)
        elif draw < 0.92:
            world.space.truncate(inode, random.choice([0, 100, 300, 512, 700, 1300]) * P + 7)
        elif draw < 0.95 and len(worlds) < 3:
            worlds.append(who.fork())
        elif draw < 0.96 and len(worlds) > 1:
            worlds.pop().exit()
        else:
            world.twin.khugepaged.step()
        assert not world.checker.touched(mark)
    world.check()
    assert made > 0
    for who in worlds:
        assert who.space.sys_munmap(who.mm, B, 64 * M) == 0
    world.check()
