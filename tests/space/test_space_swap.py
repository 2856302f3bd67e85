"""Memory that is short: pages of all kinds go to swap and come back, and none is lost."""

import re
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from world import RW, B, P, R, World

from mmtwin.pages.node_layouts import LRU_NAMES
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from modes import COMPILED

MIB = 1 << 20
SHARED = c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_FIXED


@pytest.fixture(params=["6.1", "6.18"])
def small(request: pytest.FixtureRequest) -> World:
    """A machine of 8 MiB with 24 MiB of swap."""
    world = World(request.param, ram=8 * MIB, swap=24 * MIB)
    world.sysctl(thp_enabled=0)
    return world


def pte(world: World, page: int) -> int:
    at = world.space.pte_at(world.mm, B + page * P)
    return int(world.twin.memory.load(at)) if at else 0


def slots_held(world: World) -> int:
    pages = world.space.pages
    return int(pages.total_swap_pages() - pages.get_nr_swap_pages())


def fill(world: World, first: int, end: int) -> None:
    """Touch more than there is, a few pages at a time."""
    for at in range(first, end, 100):
        assert world.write(at, min(at + 100, end)) == 0


def test_shared_memory_goes_to_swap_and_comes_back(small: World) -> None:
    small.map(0, 500, RW, SHARED)
    fill(small, 0, 500)
    inode = small.space.view("file", small.vma(0).get("vm_file")).get("f_inode")
    small.map(1000, 4000)
    fill(small, 1000, 4000)
    small.check()
    gone = [at for at in range(500) if small.space.find_get_page(inode, at) & 1]
    assert len(gone) > 300
    assert small.space.inode_pages(inode) == 500 - len(gone)
    assert not any(pte(small, at) for at in gone)
    area = small.space.smap(small.vma(0).address)
    assert re.search(rf"^Swap: +{len(gone) * 4} kB$", area, re.MULTILINE)
    assert small.read(0, 500) == 0
    assert not any(small.space.find_get_page(inode, at) == 0 for at in range(500))
    small.check()
    small.unmap(0, 500)
    small.unmap(1000, 4000)
    small.check()
    assert slots_held(small) == 0


def rss(world: World) -> tuple[int, int, int, int]:
    """Pages of files, anonymous, swapped out, of shared memory."""
    file, anon, swap, shmem = (world.space.rss(world.mm, member) for member in range(4))
    return file, anon, swap, shmem


def swap_out(world: World, page: int) -> None:
    """MADV_PAGEOUT, which needs a page that nobody else maps."""
    assert world.advise(page, page + 1, c.MADV_PAGEOUT) == 0


def test_swap_entries(world: World) -> None:
    world.sysctl(thp_enabled=0)
    world.space.swapon(64)
    world.map(0, 4)
    world.write(0, 4)
    for page in range(3):
        swap_out(world, page)
    assert rss(world) == (0, 1, 3, 0)
    world.check()
    child = world.fork()
    assert rss(child) == (0, 1, 3, 0)
    world.check()
    world.read(0, 1)
    world.write(1, 2)
    assert rss(world) == (0, 3, 1, 0)
    world.check()
    child.write(0, 3)
    assert rss(child) == (0, 4, 0, 0)
    world.check()
    child.exit()
    world.unmap(0, 4)
    assert rss(world) == (0, 0, 0, 0)
    world.check()


def test_locked_memory_is_unevictable_and_counted_by_area(small: World) -> None:
    pages = small.space.pages
    small.map(0, 50)
    small.write(0, 50)
    child = small.fork()
    assert pages.node_page_state(0, "unevictable") == 0
    for world in (small, child):
        assert world.space.sys_mlock(world.mm, B, 20 * P) == 0
    # mlock writes nothing, but a private writable area is populated by write faults: no page is
    # shared any more.
    assert pages.node_page_state(0, "unevictable") == 40
    assert pages.node_page_state(0, "mlock") == 40
    small.check()
    assert small.space.sys_munlock(small.mm, B, 10 * P) == 0
    assert pages.node_page_state(0, "unevictable") == 30
    child.exit()
    assert pages.node_page_state(0, "mlock") == 10
    small.unmap(0, 50)
    assert [pages.node_page_state(0, name) for name in (*LRU_NAMES, "mlock")] == [0] * 6
    small.check()


def test_a_page_of_a_file_is_locked_as_long_as_one_area_locks_it(small: World) -> None:
    pages = small.space.pages
    file = small.open(size=8 * P)
    small.map(0, 8, R, c.MAP_SHARED | c.MAP_FIXED, file)
    small.map(100, 108, R, c.MAP_SHARED | c.MAP_FIXED, file)
    for first in (0, 100):
        assert small.space.sys_mlock(small.mm, B + first * P, 8 * P) == 0
    assert pages.node_page_state(0, "mlock") == 8
    small.unmap(0, 8)
    assert pages.node_page_state(0, "mlock") == 8
    assert small.space.sys_munlock(small.mm, B + 100 * P, 8 * P) == 0
    assert pages.node_page_state(0, "unevictable") == pages.node_page_state(0, "mlock") == 0
    small.check()


def test_huge_pages_are_split_and_go_to_swap(small: World) -> None:
    small.sysctl(thp_enabled=2)
    small.map(0, 8 * 512)
    for nth in range(8):
        assert small.write(512 * nth, 512 * nth + 512) == 0
    rss = [small.space.rss(small.mm, member) for member in range(4)]
    assert rss[p.MM_ANONPAGES] + rss[p.MM_SWAPENTS] == 8 * 512
    assert rss[p.MM_SWAPENTS] > 2500
    small.check()
    small.unmap(0, 8 * 512)
    assert slots_held(small) == 0
    small.check()


def test_half_of_a_huge_page_that_was_unmapped_is_free_after_the_split() -> None:
    world = World("6.1", ram=64 * MIB, swap=8 * MIB)
    world.sysctl(thp_enabled=2)
    world.map(0, 512)
    world.write(0, 512)
    head = world.space.page_of(world.twin.memory.load(world.space.walk(world.mm, B, 1)) & ~p.PSE)
    assert world.space.pages.page_head(head)
    world.unmap(256, 512)
    zone = world.space.pages.zone_view(world.space.pages.page_zone(head))
    used = zone.get("used")
    assert world.advise(0, 1, c.MADV_PAGEOUT) == 0
    assert not world.space.pages.page_head(head)
    assert used - zone.get("used") >= 256
    world.check()


def smaps_kb(world: World, field: str) -> int:
    found = re.search(
        rf"^{field}: +(\d+) kB$", world.space.smap(world.vma(0).address), re.MULTILINE
    )
    assert found is not None
    return int(found[1])


def test_a_huge_page_that_is_to_go_is_split_even_if_it_has_nowhere_to_go(world: World) -> None:
    """As a kernel of 6.18 without swap showed."""
    world.sysctl(thp_enabled=2)
    world.map(0, 1024)
    world.write(0, 1024)
    assert smaps_kb(world, "AnonHugePages") == 4096
    assert world.advise(0, 512, c.MADV_PAGEOUT) == 0
    assert smaps_kb(world, "AnonHugePages") == 2048
    assert smaps_kb(world, "Referenced") == (4096 if world.new else 2048)
    assert world.advise(512, 1024, c.MADV_FREE) == 0
    assert smaps_kb(world, "LazyFree") == 2048
    assert world.advise(512, 1024, c.MADV_PAGEOUT) == 0
    assert (smaps_kb(world, "AnonHugePages"), smaps_kb(world, "Rss")) == (0, 2048)
    world.check()


def test_advice_to_page_out_leaves_the_accessed_bits_since_6_9(world: World) -> None:
    """As a kernel of 6.18 without swap showed."""
    world.sysctl(thp_enabled=0)
    world.map(0, 64)
    world.write(0, 64)
    assert world.advise(0, 32, c.MADV_PAGEOUT) == 0
    assert smaps_kb(world, "Referenced") == (256 if world.new else 128)
    assert world.advise(0, 32, c.MADV_COLD) == 0
    assert smaps_kb(world, "Referenced") == 128


def test_a_page_in_use_goes_at_once_when_it_is_to_go(small: World) -> None:
    """Reclaim found it active; it must not be so when it is freed."""
    small.map(0, 1)
    small.write(0, 1)
    page = small.space.page_of(pte(small, 0))
    small.space.pages.folio_activate(page)
    assert small.advise(0, 1, c.MADV_PAGEOUT) == 0
    assert small.space.rss(small.mm, p.MM_SWAPENTS) == 1
    small.check()


def test_a_page_that_only_the_swap_cache_holds_goes_with_its_last_entry(small: World) -> None:
    pages = small.space.pages
    small.map(0, 1)
    small.write(0, 1)
    assert small.advise(0, 1, c.MADV_PAGEOUT) == 0
    slot = small.space.swp_offset(pte(small, 0))
    assert small.advise(0, 1, c.MADV_WILLNEED) == 0
    page = small.space.swap_cache_lookup(slot)
    assert page
    small.unmap(0, 1)
    assert pages.page_ref_count(page) == 0
    assert not pages.test_page_flag(page, pages.pg_dirty)
    assert slots_held(small) == 0
    small.check()


def test_when_swap_is_full_too_somebody_has_to_go() -> None:
    world = World("6.1", ram=8 * MIB, swap=4 * MIB)
    world.sysctl(thp_enabled=0)
    world.pid = 1
    hog = world.fork()
    for victim in (world, hog):
        victim.map(0, 6000)
    world.write(0, 10)
    world.twin.victims.running = world.pid
    at = 0
    while not world.twin.victims.report:
        assert hog.write(at, at + 50) == 0
        at += 50
        assert at < 6000
    report = "\n".join(world.twin.victims.report)
    assert f"Killed process {hog.pid} " in report
    assert world.space.rss(hog.mm, p.MM_SWAPENTS) == 0
    assert world.space.rss(hog.mm, p.MM_ANONPAGES) < 60
    world.check()


PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""No shrinking: each attempt costs a machine."""
STEP = st.tuples(
    st.sampled_from(
        ["write", "write", "write", "read", "read", "unmap", "lock", "unlock", "fork", "exit"]
        + 2 * ["out", "pressure"]
    ),
    st.integers(0, 39),
    st.integers(1, 20),
    st.integers(0, 3),
)


def identity(world: World, page: int) -> int | None:
    """What holds the content of a page of memory: a frame, or a slot (negative); None if nothing.

    A page that has both, because it is in the swap cache, is known by its slot.
    """
    space, pages = world.space, world.space.pages
    entry = pte(world, page)
    if not entry:
        return None
    if not space.pte_present(entry):
        return -space.swp_offset(entry)
    frame = space.vm_normal_page(entry)
    if not frame:
        return None
    return -pages.page_private(frame) if pages.folio_test_swapcache(frame) else int(frame)


class Shadow:
    """Who wrote which content last: a number for each page of each process, shared after forks.

    Content is not simulated, so what a page holds is tracked by what holds it.
    """

    def __init__(self) -> None:
        self.content: dict[tuple[int, int], int] = {}
        self.fresh = 0

    def write(self, world: World, page: int) -> None:
        self.fresh += 1
        self.content[world.pid, page] = self.fresh

    def agrees(self, worlds: list[World]) -> None:
        """Two pages have one holder if and only if they have one content."""
        by_content: dict[int, int] = {}
        by_holder: dict[int, int] = {}
        for world in worlds:
            for page in range(60):
                wanted = self.content.get((world.pid, page))
                holder = identity(world, page)
                if wanted is None:
                    assert holder is None, (world.pid, page)
                    continue
                assert holder is not None, (world.pid, page)
                assert by_content.setdefault(wanted, holder) == holder, (world.pid, page)
                assert by_holder.setdefault(holder, wanted) == wanted, (world.pid, page)


def act(worlds: list[World], shadow: Shadow, name: str, world: World, pages: range) -> None:
    """One thing that a process does, and what it means for contents."""
    first, end = pages.start, pages.stop
    space = world.space
    if name == "write" or name == "lock":
        # Locking writes to pages of private writable areas, so they are nobody else's then.
        if name == "write":
            assert world.write(first, end) == 0
        else:
            assert space.sys_mlock(world.mm, B + first * P, (end - first) * P) == 0
        for page in pages:
            shadow.write(world, page)
    elif name == "read":
        assert world.read(first, end) == 0
    elif name == "unlock":
        assert space.sys_munlock(world.mm, B + first * P, (end - first) * P) == 0
    elif name == "unmap":
        world.unmap(first, end)
        world.map(first, end)
        for page in pages:
            shadow.content.pop((world.pid, page), None)
    elif name == "out":
        world.advise(first, end, c.MADV_PAGEOUT)
    elif name == "pressure":
        world.map(1000, 2200)
        fill(world, 1000, 2200)
        world.unmap(1000, 2200)
    elif name == "fork" and len(worlds) < 3:
        child = world.fork()
        worlds.append(child)
        for page in range(60):
            if (world.pid, page) in shadow.content:
                shadow.content[child.pid, page] = shadow.content[world.pid, page]
    elif name == "exit" and len(worlds) > 1:
        worlds.remove(world)
        world.exit()
        for page in range(60):
            shadow.content.pop((world.pid, page), None)


def slots_are_counted(worlds: list[World]) -> None:
    """Each slot is counted by the entries that name it, and no other is held."""
    space = worlds[0].space
    named: Counter[int] = Counter()
    for world in worlds:
        for page in range(60):
            entry = pte(world, page)
            if entry and not space.pte_present(entry):
                named[space.swp_offset(entry)] += 1
    for slot in range(1, space.pages.total_swap_pages() + 1):
        assert space.swap_count(slot) == named[slot], slot


@settings(
    max_examples=12 if COMPILED else 4,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=PHASES,
)
@given(st.lists(STEP, min_size=8, max_size=30))
def test_every_fault_gives_back_what_was_written(steps: list[tuple[str, int, int, int]]) -> None:
    world = World("6.1", ram=4 * MIB, swap=12 * MIB)
    world.sysctl(thp_enabled=0)
    world.map(0, 60)
    worlds = [world]
    shadow = Shadow()
    for name, first, size, who in steps:
        act(worlds, shadow, name, worlds[who % len(worlds)], range(first, first + size))
        shadow.agrees(worlds)
    slots_are_counted(worlds)
    world.check()
    for one in reversed(worlds):
        one.exit()
    assert slots_held(world) == 0
    assert world.space.pages.node_page_state(0, "swapcached") == 0
    assert all(world.space.pages.node_page_state(0, lru) == 0 for lru in LRU_NAMES)


def test_droppable_memory_is_paged_out_without_swap() -> None:
    """Seed 7017364 on 6.18: written or not, locked or not, its pages go, and come back empty."""
    world = World("6.18")
    space, at = world.space, B
    how = c.MAP_DROPPABLE | c.MAP_ANONYMOUS | c.MAP_FIXED
    assert space.sys_mmap(world.mm, at, 2 * P, RW, how, 0, 0) == at
    world.write(0, 1)
    assert space.sys_mlock(world.mm, at + P, P) == 0
    assert rss(world)[1] == 2
    assert world.advise(0, 2, c.MADV_PAGEOUT) == 0
    assert rss(world)[1] == 0
    world.write(0, 1)
    assert rss(world)[1] == 1
    world.check()


@pytest.mark.parametrize("name", ["6.1", "6.18"])
def test_shared_memory_that_was_never_written_to_is_dropped(name: str) -> None:
    """Seed 11007692 on 6.18, and 6.1 the same: its zeros need no swap, what was written does."""
    world = World(name)
    world.map(0, 4, RW, SHARED)
    world.read(0, 4)
    world.write(1, 2)
    inode = world.space.view("file", world.vma(0).get("vm_file")).get("f_inode")
    assert world.advise(0, 3, c.MADV_PAGEOUT) == 0
    assert [bool(world.space.find_get_page(inode, at)) for at in range(4)] == [0, 1, 0, 1]
    assert world.read(0, 4) == 0
    assert rss(world)[3] == 4
    world.check()
