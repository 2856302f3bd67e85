"""MADV_COLLAPSE, and huge pages of shared memory: made, mapped, split, put out."""

import errno
from random import Random

import pytest
from world import FIXED, RW, B, P, R, World

from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p

M = 1 << 20
HUGE = 512
"""Small pages of a huge one."""
SHARED = c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_FIXED
OF_FILE = c.MAP_SHARED | c.MAP_FIXED
PRIVATE_FILE = c.MAP_PRIVATE | c.MAP_FIXED


def field(world: World, name: str, page: int = 0) -> int:
    """A line of the smaps record of the area at ``page``, in kB."""
    record = world.space.smap(world.vma(page).address)
    (line,) = [line for line in record.splitlines() if line.startswith(name + ":")]
    return int(line.split()[1])


def collapse(world: World, start: int, end: int) -> int:
    """MADV_COLLAPSE of pages, after which the step's own checks hold."""
    mark = world.twin.memory.mark()
    result = world.advise(start, end, c.MADV_COLLAPSE)
    assert not world.checker.touched(mark)
    world.check()
    return result


def small_pages(world: World, start: int, end: int, pages: range) -> None:
    """Private memory of small pages that may be huge ones from now on."""
    assert world.map(start, end) == B + start * P
    assert world.advise(start, end, c.MADV_NOHUGEPAGE) == 0
    for page in pages:
        assert world.write(page, page + 1) == 0
    assert world.advise(start, end, c.MADV_HUGEPAGE) == 0


def memfd(world: World, pages: int) -> int:
    return world.space.shmem_file_setup("/memfd:x (deleted)", pages * P, 0)


def tables(world: World) -> int:
    """Page tables of the process, VmPTE in pages."""
    return world.space.pgtables_bytes(world.mm) // P


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


def test_without_memory(world: World) -> None:
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


# Shared memory.


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


@pytest.mark.parametrize("size", [0, 100, 3 * P, 3 * P + 1, 511 * P + 5, 512 * P, 600 * P])
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


@pytest.mark.parametrize("seed", range(6))
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
