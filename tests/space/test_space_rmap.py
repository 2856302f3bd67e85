"""Reverse mapping: reclaim and migration of pages that processes map."""

import pytest
from world import FIXED, RW, B, P, R, World

from mmtwin.check.pages import PageCheck
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p


@pytest.fixture(params=["6.1", "6.18"])
def small(request: pytest.FixtureRequest) -> World:
    """A machine of 8 MiB with some 13 MiB of swap."""
    world = World(request.param, ram=8 << 20)
    world.sysctl(thp_enabled=0)
    world.space.swapon(3500)
    return world


def pte(world: World, page: int) -> int:
    at = world.space.pte_at(world.mm, B + page * P)
    return world.twin.memory.load(at) if at else 0


def healthy(world: World) -> None:
    world.check()
    found = PageCheck(world.space.pages).full()
    assert not found, "\n".join(str(violation) for violation in found)


def test_more_memory_than_there_is(small: World) -> None:
    small.map(0, 4096)
    child = None
    for first in range(0, 4096, 256):
        assert small.write(first, first + 256) == 0
        if first == 1024:
            child = small.fork()
    rss = [small.space.rss(small.mm, member) for member in range(4)]
    assert rss[1] + rss[2] == 4096
    assert rss[2] > 2000
    healthy(small)
    assert child is not None
    assert small.read(0, 512) == 0
    assert child.write(0, 64) == 0
    healthy(small)
    child.exit()
    small.unmap(0, 4096)
    assert [small.space.rss(small.mm, member) for member in range(4)] == [0] * 4
    healthy(small)


def test_pages_of_files_go_first_and_come_back(small: World) -> None:
    file = small.open(size=8192 * P)
    small.map(0, 8192, R, c.MAP_PRIVATE | c.MAP_FIXED, file)
    for first in range(0, 8192, 512):
        assert small.read(first, first + 512) == 0
    assert small.space.rss(small.mm, p.MM_FILEPAGES) < 2048
    assert small.space.inode_pages(small.space.view("file", file).get("f_inode")) < 2048
    healthy(small)


def test_locked_memory_stays(small: World) -> None:
    small.map(0, 200, RW, FIXED | c.MAP_LOCKED)
    small.map(1000, 4000)
    for first in range(1000, 4000, 250):
        assert small.write(first, first + 250) == 0
    assert all(pte(small, page) & p.PRESENT for page in range(200))
    healthy(small)


def migrate(world: World, page: int) -> bool:
    """Migration of one page, as compaction does it."""
    pages = world.space.pages
    assert pages.folio_isolate_lru(page)
    new = pages.alloc_pages(0x100CCA, 0, 0)
    moved = pages.unmap_and_move(page, new)
    if not moved:
        pages.put_page(new)
        pages.folio_putback_lru(page)
    return bool(moved)


def test_migration(world: World) -> None:
    world.sysctl(thp_enabled=0)
    world.map(0, 4)
    world.write(0, 2)
    child = world.fork()
    page = world.space.page_of(pte(world, 0))
    assert migrate(world, page)
    new = world.space.page_of(pte(world, 0))
    assert new != page
    assert world.space.page_of(pte(child, 0)) == new
    assert world.space.mapcount(new) == 2
    world.check()
    child.write(0, 1)
    assert migrate(world, world.space.page_of(pte(world, 0)))
    world.write(0, 1)
    world.check()


def test_a_page_of_a_file_moves_in_its_cache_too(world: World) -> None:
    file = world.open(size=8 * P)
    world.map(0, 8, RW, c.MAP_SHARED | c.MAP_FIXED, file)
    world.write(1, 2)
    page = world.space.page_of(pte(world, 1))
    assert migrate(world, page)
    inode = world.space.view("file", file).get("f_inode")
    assert world.space.find_get_page(inode, 1) == world.space.page_of(pte(world, 1)) != page
    world.check()


def test_a_walk_that_misses_an_area_leaves_an_orphan(world: World) -> None:
    """April 2022: an area whose place in reverse mapping is stale keeps its migration entry."""
    world.sysctl(thp_enabled=0)
    world.map(0, 4)
    world.write(0, 4)
    space = world.space
    page = space.page_of(pte(world, 2))
    space.try_to_migrate(page)
    vma = world.vma(0)
    link = vma.get("anon_vma_chain_next") - 16
    start = world.twin.memory.load(link + 48)
    world.twin.memory.store(link + 48, start + 3)
    space.remove_migration_ptes(page, page)
    assert pte(world, 2) & p.PRESENT == 0
    assert {v.invariant for v in world.checker.full()} >= {"VM-23", "VM-44"}
    world.twin.memory.store(link + 48, start)
    space.remove_migration_ptes(page, page)
    world.check()


def test_a_lazily_freed_page_goes_without_swap(small: World) -> None:
    small.map(0, 8)
    small.write(0, 8)
    assert small.advise(0, 8, c.MADV_FREE) == 0
    small.write(3, 4)
    assert small.advise(0, 8, c.MADV_PAGEOUT) == 0
    assert [bool(pte(small, page)) for page in range(8)] == [page == 3 for page in range(8)]
    assert small.space.rss(small.mm, p.MM_SWAPENTS) == 0
    healthy(small)
