"""The daemon that makes huge pages of small ones: what suits, in which order, between calls."""

from random import Random

import pytest
from world import ANON, FIXED, RW, B, R, World

from mmtwin.space import flags as c
from modes import sample

M = 1 << 20
HUGE = 512
"""Small pages of a huge one."""


def with_small_pages(world: World) -> World:
    """8 MiB of small pages of which every fourth is there; they may be huge ones now."""
    assert world.map(0, 4 * HUGE) == B
    assert world.advise(0, 4 * HUGE, c.MADV_NOHUGEPAGE) == 0
    for page in range(0, 4 * HUGE, 4):
        world.write(page, page + 1)
    assert world.advise(0, 4 * HUGE, c.MADV_HUGEPAGE) == 0
    return world


@pytest.fixture
def small(world: World) -> World:
    return with_small_pages(world)


def step(world: World) -> list[tuple[int, str]]:
    """One step of the daemon: places counted in huge pages from ``B`` on, and what came of them."""
    mark = world.twin.memory.mark()
    told = world.twin.khugepaged.step()
    assert not world.checker.touched(mark)
    world.check()
    return [((address - B) // (2 * M), result) for _, address, result in told]


def huge_kb(world: World) -> list[int]:
    """AnonHugePages of each area, in kB."""
    lines = world.space.proc_smaps(world.mm).splitlines()
    return [int(line.split()[1]) for line in lines if line.startswith("AnonHugePages:")]


def test_areas_that_are_used_become_huge_pages(small: World) -> None:
    daemon = small.twin.khugepaged
    assert step(small) == [(place, "succeed") for place in range(4)]
    assert huge_kb(small) == [8192]
    assert small.space.rss(small.mm, 1) == 4 * HUGE
    assert (daemon.scan.pages_collapsed, daemon.scan.full_scans) == (4, 1)
    assert step(small) == [(place, "pmd_mapped") for place in range(4)]
    assert daemon.scan.full_scans == 2
    assert small.unmap(0, 4 * HUGE) == 0
    small.check()


def test_a_step_looks_at_so_many_pages_and_goes_on_there(small: World) -> None:
    scan = small.twin.khugepaged.scan
    scan.pages_to_scan = HUGE
    assert step(small) == [(0, "succeed")]
    assert scan.cursor == B + 2 * M
    assert step(small) == [(1, "succeed")]
    assert small.unmap(HUGE, 3 * HUGE) == 0  # where it would have gone on
    assert step(small) == [(3, "succeed")]
    assert step(small) == [(0, "pmd_mapped")]  # once a step it begins anew
    assert scan.full_scans == 1


@pytest.mark.parametrize(
    ("name", "value", "result"),
    [("max_ptes_none", HUGE - HUGE // 4, "succeed"), ("max_ptes_none", 383, "exceed_none_pte")],
)
def test_so_many_pages_may_be_missing(small: World, name: str, value: int, result: str) -> None:
    setattr(small.twin.khugepaged.scan, name, value)
    assert step(small) == [(place, result) for place in range(4)]


def test_so_many_pages_may_be_shared(small: World) -> None:
    child = small.fork()
    scan = small.twin.khugepaged.scan
    scan.max_ptes_shared = 127
    # The child has the same pages at the same places; both find them shared.
    assert {result for _, result in step(small)} == {"exceed_shared_pte"}
    scan.max_ptes_shared = 128
    if small.new:
        assert [result for _, result in step(small)].count("succeed") == 4
        child.exit()
        return
    # After fork no entry is writable until one is written to.
    assert {result for _, result in step(small)} == {"page_ro"}
    assert child.write(0, 1) == 0
    told = step(small)
    assert [result for _, result in told].count("succeed") == 1
    assert huge_kb(child) == [2048]
    assert huge_kb(small) == [0]
    child.exit()
    small.check()


def test_what_is_not_used_is_left_alone(small: World) -> None:
    assert small.advise(0, 2 * HUGE, c.MADV_COLD) == 0
    assert step(small) == [
        (0, "lack_referenced_page"),
        (1, "lack_referenced_page"),
        (2, "succeed"),
        (3, "succeed"),
    ]


def test_read_only_memory_and_what_may_not_be_huge_is_left_alone(small: World) -> None:
    assert small.protect(0, HUGE, R) == 0
    assert small.advise(HUGE, 2 * HUGE, c.MADV_NOHUGEPAGE) == 0
    first = "succeed" if small.new else "page_ro"
    assert step(small) == [(0, first), (2, "succeed"), (3, "succeed")]


def test_a_page_that_is_referred_to_stays(small: World) -> None:
    page = small.space.page_of(small.twin.memory.load(small.space.pte_at(small.mm, B)))
    small.twin.pages.get_page(page)
    assert step(small)[0] == (0, "page_count")
    small.twin.pages.put_page(page)
    assert step(small)[0] == (0, "succeed")


def test_locked_memory_stays_locked(small: World) -> None:
    assert small.space.sys_mlock(small.mm, B, 2 * M) == 0
    assert step(small)[0] == (0, "succeed")
    assert small.space.sys_munlock(small.mm, B, 2 * M) == 0
    small.check()


def test_pages_in_swap_are_brought_back() -> None:
    world = World("6.1", ram=256 * M, swap=16 * M)
    assert world.map(0, HUGE) == B
    assert world.advise(0, HUGE, c.MADV_NOHUGEPAGE) == 0
    assert world.write(0, HUGE) == 0
    assert world.advise(0, 32, c.MADV_PAGEOUT) == 0
    assert world.advise(0, HUGE, c.MADV_HUGEPAGE) == 0
    assert world.space.rss(world.mm, 2) == 32
    world.twin.khugepaged.scan.max_ptes_swap = 31
    assert step(world) == [(0, "exceed_swap_pte")]
    world.twin.khugepaged.scan.max_ptes_swap = 32
    assert step(world) == [(0, "succeed")]
    assert world.space.rss(world.mm, 2) == 0
    assert world.unmap(0, HUGE) == 0
    world.check()


@pytest.mark.parametrize("name", ["6.1", "6.18"])
def test_without_memory_a_step_ends_at_the_second_failure(name: str) -> None:
    small = with_small_pages(World(name, ram=64 * M))
    held = []
    while head := small.twin.pages.alloc_pages(0x1C24CA & ~0x400, 9):
        held.append(head)
    assert step(small) == [(0, "alloc_huge_page_fail"), (1, "alloc_huge_page_fail")]
    for head in held:
        small.twin.pages.put_page(head)


def test_the_scan_goes_on_with_another_process_when_one_ends(small: World) -> None:
    child = small.fork()
    scan = small.twin.khugepaged.scan
    scan.pages_to_scan = HUGE
    assert len(step(small)) == 1
    assert [slot.mm for slot in small.twin.khugepaged.slots()] == [small.mm, child.mm]
    while scan.mm_slot == 0 or scan.cursor < B + 2 * M:
        step(small)
    small.exit()
    assert [slot.mm for slot in small.twin.khugepaged.slots()] == [child.mm]
    assert child.write(0, 1) == 0
    assert step(child) == [(0, "succeed")]
    child.exit()
    assert list(small.twin.khugepaged.slots()) == []


@pytest.mark.parametrize("seed", sample(range(3), 3))
def test_the_trees_of_all_processes_change_between_its_steps(small: World, seed: int) -> None:
    """'mapletree-vs-khugepaged': it walks other processes' trees, a few pages at a time, while
    they map, unmap, split and fork; every step leaves trees, tables and pages sound."""
    random = Random(seed)
    small.twin.khugepaged.scan.pages_to_scan = HUGE
    worlds = [small]
    made = 0
    for _ in range(150):
        who = random.choice(worlds)
        start = random.randrange(0, 6 * HUGE, HUGE // 2)
        end = start + random.choice([3, HUGE // 2, HUGE, 2 * HUGE])
        draw = random.random()
        if draw < 0.2:
            who.map(start, end, RW, FIXED)
            who.advise(start, end, random.choice([c.MADV_HUGEPAGE, c.MADV_NOHUGEPAGE]))
        elif draw < 0.4:
            for page in range(start, end, random.choice([16, 64])):
                who.write(page, page + 1)
        elif draw < 0.5:
            who.advise(start, end, random.choice([c.MADV_HUGEPAGE, c.MADV_DONTNEED]))
        elif draw < 0.58:
            who.unmap(start, end)
        elif draw < 0.64:
            who.protect(start, end, random.choice([R, RW]))
        elif draw < 0.68:
            assert who.anywhere(3, RW, ANON) > 0
        elif draw < 0.72 and len(worlds) < 3:
            worlds.append(who.fork())
        elif draw < 0.74 and len(worlds) > 1:
            worlds.pop().exit()
        else:
            made += sum(result == "succeed" for _, result in step(small))
    assert made > 0
    for who in worlds:
        assert who.space.sys_munmap(who.mm, B, 64 * M) == 0
    small.check()
