"""Faults: pages, page tables, counters; fork's copies, huge pages, files, swap."""

import errno

import pytest
from world import FIXED, RW, B, P, R, World

from mmtwin.machine.bug import KernelBug
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space.files import FILE_DEVICE


def rss(world: World) -> tuple[int, int, int, int]:
    """Pages of files, anonymous, swapped out, of shared memory."""
    file, anon, swap, shmem = (world.space.rss(world.mm, member) for member in range(4))
    return file, anon, swap, shmem


def pte(world: World, page: int) -> int:
    """The entry of a page near ``B``, 0 for none."""
    at = world.space.pte_at(world.mm, B + page * P)
    return world.twin.memory.load(at) if at else 0


def tables(world: World) -> int:
    return world.space.pgtables_bytes(world.mm) // P


@pytest.fixture(autouse=True)
def small_pages(request: pytest.FixtureRequest) -> None:
    """Small pages only, unless a test turns the others on."""
    for name in ("world", "old", "new"):
        if name in request.fixturenames:
            request.getfixturevalue(name).sysctl(thp_enabled=0)


def test_reading_gives_the_zero_page_and_writing_ones_own(world: World) -> None:
    world.map(0, 8)
    assert tables(world) == 0
    assert world.read(0, 2) == 0
    assert rss(world) == (0, 0, 0, 0)
    assert pte(world, 0) & p.SPECIAL
    assert tables(world) == 3
    assert not world.vma(0).get("anon_vma")
    assert world.write(1, 4) == 0
    assert rss(world) == (0, 3, 0, 0)
    entry = pte(world, 1)
    assert entry & (p.PRESENT | p.RW | p.USER | p.DIRTY | p.NX) == (
        p.PRESENT | p.RW | p.USER | p.DIRTY | p.NX
    )
    assert pte(world, 7) == 0
    world.check()


def test_tables_go_with_the_last_area_that_needs_them(world: World) -> None:
    world.map(0, 4)
    world.map(6, 8)
    world.map(512 * 3, 512 * 3 + 1)
    world.write(0, 4)
    world.write(6, 8)
    world.write(512 * 3, 512 * 3 + 1)
    assert tables(world) == 4
    world.unmap(0, 4)
    assert (tables(world), rss(world)[1]) == (4, 3)
    world.unmap(6, 8)
    assert tables(world) == 3
    world.unmap(512 * 3, 512 * 3 + 1)
    assert (tables(world), rss(world)) == (0, (0, 0, 0, 0))
    assert world.mm_view().hiwater_rss == 7
    world.check()


def test_a_fault_past_the_end_of_a_file_leaves_no_table(world: World) -> None:
    """Seed 6900044 on 6.18: a file's fault puts its table in with the page."""
    file = world.open(size=P)
    world.map(0, 4, RW, c.MAP_PRIVATE | c.MAP_FIXED, file, 2)
    for write in (False, True):
        assert world.space.fault_signal(world.mm, B, write) == p.SIGBUS
    assert tables(world) == 2
    world.map(0, 4, RW, c.MAP_PRIVATE | c.MAP_FIXED, file)
    world.read(0, 1)
    assert tables(world) == 3
    world.check()


def test_what_a_fault_past_the_end_has_mapped_around_it_stays(world: World) -> None:
    """Seed 6305148 on 6.18: the fault fails, after cached pages were mapped around it."""
    file = world.open(size=2 * P)
    world.map(0, 8, R, c.MAP_PRIVATE | c.MAP_FIXED, file)
    world.read(0, 1)
    world.unmap(0, 8)
    world.map(0, 8, R, c.MAP_PRIVATE | c.MAP_FIXED, file)
    assert world.space.fault_signal(world.mm, B + 5 * P, False) == p.SIGBUS
    assert (tables(world), rss(world)[0]) == (3, 2)
    world.check()


def test_at_the_end_of_a_file_nothing_is_mapped_around_a_first_fault(world: World) -> None:
    """Seed 6707020 on 6.18: the first cached page of the window is the file's last, and there is
    no table yet. 6.1 maps it."""
    file = world.open(size=2 * P)
    world.map(16, 20, R, c.MAP_PRIVATE | c.MAP_FIXED, file)
    world.read(16, 18)
    world.unmap(16, 20)
    world.map(0, 8, R, c.MAP_PRIVATE | c.MAP_FIXED, file, 1)
    assert world.space.fault_signal(world.mm, B + 5 * P, False) == p.SIGBUS
    around = not world.twin.profile.since(6, 18)
    assert (tables(world), rss(world)[0]) == ((3, 1) if around else (2, 0))
    world.check()


def test_around_an_area_that_starts_within_64k_as_much_is_mapped(world: World) -> None:
    """Seed 8002700 on 6.18: the window begins with the area and is 64 KiB long all the same; it
    ends with the table."""
    file = world.open(kind=2, size=16 * P)
    world.map(0, 16, R, c.MAP_SHARED | c.MAP_FIXED, file)
    world.read(0, 16)
    world.unmap(0, 16)
    world.map(44, 60, R, c.MAP_SHARED | c.MAP_FIXED, file)
    world.read(44, 45)
    assert rss(world)[3] == 16
    world.unmap(44, 60)
    world.map(508, 524, R, c.MAP_SHARED | c.MAP_FIXED, file)
    world.read(508, 509)
    assert rss(world)[3] == 4
    world.check()


def test_exit_gives_all_pages_back(world: World) -> None:
    used = [world.space.pages.memory.load(z + 264) for z in world.space.pages.populated_zones()]
    child = world.fork()
    child.map(0, 600)
    child.write(0, 600)
    grandchild = child.fork()
    grandchild.write(0, 10)
    child.exit()
    grandchild.exit()
    world.check()
    now = [world.space.pages.memory.load(z + 264) for z in world.space.pages.populated_zones()]
    assert sum(now) - sum(used) < 16, "slabs stay"


def test_copy_on_write_after_fork(world: World) -> None:
    world.map(0, 4)
    world.write(0, 4)
    child = world.fork()
    assert rss(child) == (0, 4, 0, 0)
    assert not pte(world, 0) & p.RW
    assert not pte(child, 0) & (p.RW | p.ACCESSED)
    page = world.space.page_of(pte(world, 0))
    assert world.space.mapcount(page) == 2
    world.check()
    child.write(0, 1)
    assert world.space.page_of(pte(child, 0)) != page
    assert world.space.mapcount(page) == 1
    world.write(0, 1)
    assert world.space.page_of(pte(world, 0)) == page, "the last user keeps the page"
    child.exit()
    world.write(1, 2)
    assert pte(world, 1) & p.RW
    world.check()


def test_only_areas_that_faults_cannot_refill_are_copied(world: World) -> None:
    file = world.open(size=64 * P)
    world.map(0, 8, R, c.MAP_PRIVATE | c.MAP_FIXED, file)
    world.map(10, 14, RW, c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_FIXED)
    world.map(20, 22)
    world.read(0, 8)
    world.write(10, 14)
    world.read(20, 22)
    assert rss(world) == (8, 0, 0, 4)
    child = world.fork()
    assert (rss(child), tables(child)) == ((0, 0, 0, 0), 0)
    child.read(10, 11)
    assert rss(child)[3] == 4, "faults map what is cached around the address"
    world.check()


def test_a_watched_area_maps_no_more_than_was_read(world: World) -> None:
    """uffd_disable_fault_around, include/linux/userfaultfd_k.h."""
    shared = c.MAP_SHARED | c.MAP_FIXED
    file = world.space.shmem_file_setup("/memfd:a (deleted)", 4 * P, 0)
    world.map(0, 4, RW, shared, file)
    world.write(0, 4)
    world.map(8, 12, RW, shared, file)
    watcher = world.open("anon_inode:[userfaultfd]")
    assert world.space.uffdio_register(world.mm, watcher, B + 8 * P, 4 * P, 2) == 0
    world.read(9, 10)
    assert rss(world)[3] == 5
    assert world.space.uffdio_unregister(world.mm, watcher, B + 8 * P, 4 * P) == 0
    world.read(10, 11)
    assert rss(world)[3] == 8
    world.check()


def test_a_child_gets_its_parents_tables_even_where_they_are_empty(world: World) -> None:
    """copy_page_range walks what must be copied and makes the tables on its way (seed 8, 6.1)."""
    world.map(0, 1)
    world.map(512, 513)
    world.write(0, 1)
    world.write(512, 513)
    world.unmap(0, 1)
    world.map(0, 1, R, c.MAP_SHARED | c.MAP_FIXED, world.open("/dev/x", kind=FILE_DEVICE))
    world.space.sys_munmap(world.mm, B + 512 * P, P)
    world.map(700, 701)
    before = tables(world)
    child = world.fork()
    assert (before, tables(child)) == (2, 2)
    world.check()


def test_a_private_file_page_is_copied_at_the_first_write(world: World) -> None:
    world.map(0, 8, RW, c.MAP_PRIVATE | c.MAP_FIXED, world.open(size=8 * P))
    world.write(0, 1)
    assert rss(world) == (0, 1, 0, 0)
    world.read(1, 8)
    assert rss(world) == (7, 1, 0, 0)
    world.write(1, 2)
    assert rss(world) == (6, 2, 0, 0)
    world.check()
    world.unmap(0, 8)
    assert rss(world) == (0, 0, 0, 0)


def test_a_shared_file_page_takes_note_of_writes(world: World) -> None:
    file = world.open(size=8 * P)
    world.map(0, 8, RW, c.MAP_SHARED | c.MAP_FIXED, file)
    world.read(0, 8)
    assert not pte(world, 3) & p.RW
    world.write(3, 4)
    assert pte(world, 3) & p.RW
    page = world.space.page_of(pte(world, 3))
    assert world.space.page_flag(page, world.space.pg_dirty)
    assert not world.vma(0).get("anon_vma")
    world.check()


def test_signals(world: World) -> None:
    world.map(0, 8, RW, c.MAP_SHARED | c.MAP_FIXED, world.open(size=2 * P + 1))
    world.map(10, 11, R)
    world.map(12, 13, 0)
    signal = world.space.fault_signal
    assert signal(world.mm, B + 2 * P, True) == 0
    assert signal(world.mm, B + 3 * P, True) == p.SIGBUS
    assert signal(world.mm, B + 10 * P, False) == 0
    assert signal(world.mm, B + 10 * P, True) == p.SIGSEGV
    assert signal(world.mm, B + 12 * P, False) == p.SIGSEGV
    assert signal(world.mm, B + 30 * P, False) == p.SIGSEGV
    world.check()


def test_locked_memory_is_populated(world: World) -> None:
    world.map(0, 4, RW, FIXED | c.MAP_LOCKED)
    assert rss(world)[1] == 4
    world.map(10, 14, R, FIXED | c.MAP_POPULATE)
    assert (rss(world)[1], pte(world, 10) & p.SPECIAL) == (4, p.SPECIAL)
    world.map(20, 24)
    assert world.space.sys_mlock(world.mm, B + 20 * P, 4 * P) == 0
    assert rss(world)[1] == 8
    world.map(30, 34, RW, c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_FIXED | c.MAP_POPULATE)
    assert rss(world)[3] == 4
    world.check()


def test_mprotect_changes_entries(world: World) -> None:
    world.map(0, 4)
    world.write(0, 4)
    world.protect(1, 3, R)
    assert [bool(pte(world, n) & p.RW) for n in range(4)] == [True, False, False, True]
    world.protect(1, 3, RW)
    assert all(pte(world, n) & p.RW for n in range(4)), "exclusive pages need no fault"
    world.protect(0, 1, 0)
    assert pte(world, 0) & (p.PRESENT | p.PROTNONE) == p.PROTNONE
    page = world.space.page_of(pte(world, 0))
    assert world.space.mapcount(page) == 1
    world.protect(0, 1, RW)
    assert world.space.page_of(pte(world, 0)) == page
    world.check()


@pytest.mark.parametrize("to", [16, 4096, 4096 + 7])
def test_mremap_takes_the_pages_along(world: World, to: int) -> None:
    world.map(0, 8)
    world.write(2, 6)
    page = world.space.page_of(pte(world, 3))
    moved = world.space.sys_mremap(world.mm, B, 8 * P, 8 * P, 3, B + to * P)
    assert moved == B + to * P
    assert world.space.page_of(pte(world, to + 3)) == page
    assert pte(world, 3) == 0
    assert rss(world)[1] == 4
    world.check()


def test_a_move_without_memory_for_tables_is_undone(world: World) -> None:
    world.map(0, 8)
    world.write(2, 6)
    pages = world.space.pages

    class NoTables:
        def should_fail(self, name: str, gfp: int) -> bool:
            return True

    pages.injector = NoTables()
    done = world.space.sys_mremap(world.mm, B, 8 * P, 8 * P, 3, B + 4096 * P)
    pages.injector = None
    assert done == -errno.ENOMEM
    assert (world.ranges(), rss(world)[1]) == ([(0, 8)], 4)
    world.check()


def test_moving_nothing_may_make_a_table(world: World) -> None:
    """alloc_new_pud where the old place has a pmd table (seed 6100868 on 6.18)."""
    world.map(0, 1)
    world.write(0, 1)
    world.map(512, 513)
    assert tables(world) == 3
    new = B + (1 << 40)
    assert world.space.sys_mremap(world.mm, B + 512 * P, P, P, 3, new) == new
    assert tables(world) == 4
    world.check()


def test_advice_on_pages(world: World) -> None:
    world.map(0, 8)
    world.write(0, 8)
    assert world.advise(0, 2, c.MADV_DONTNEED) == 0
    assert rss(world)[1] == 6
    assert world.advise(2, 4, c.MADV_FREE) == 0
    assert not pte(world, 2) & p.DIRTY
    page = world.space.page_of(pte(world, 2))
    assert not world.space.page_flag(page, world.space.pg_swapbacked)
    assert world.advise(4, 6, c.MADV_COLD) == 0
    assert not pte(world, 4) & p.ACCESSED
    assert world.advise(0, 2, c.MADV_POPULATE_WRITE) == 0
    assert rss(world)[1] == 8
    world.check()


def test_memory_that_a_child_shares_can_be_freed_lazily(world: World) -> None:
    """Only a page marked dirty itself must be the caller's alone (seed 6003920 on 6.18)."""
    world.map(0, 2)
    world.write(0, 2)
    child = world.fork()
    page = world.space.page_of(pte(world, 1))
    world.space.set_page_flag(page, world.space.pg_dirty)
    assert world.advise(0, 2, c.MADV_FREE) == 0
    assert [bool(pte(world, nth) & p.DIRTY) for nth in (0, 1)] == [False, True]
    assert [bool(pte(child, nth) & p.DIRTY) for nth in (0, 1)] == [True, True]
    world.check()


def test_a_hole_punched_into_shared_memory_shows_everywhere(world: World) -> None:
    world.map(0, 4, RW, c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_FIXED)
    world.write(0, 4)
    child = world.fork()
    child.read(0, 4)
    assert (rss(world)[3], rss(child)[3]) == (4, 4)
    assert world.advise(1, 3, c.MADV_REMOVE) == 0
    assert (rss(world)[3], rss(child)[3]) == (2, 2)
    world.check()


def test_a_huge_page(world: World) -> None:
    world.sysctl(thp_enabled=2)
    world.map(0, 1024)
    world.write(3, 4)
    assert rss(world)[1] == 512
    assert tables(world) == 3
    world.protect(0, 512, R)
    world.protect(0, 512, RW)
    world.write(0, 512)
    assert rss(world)[1] == 512
    world.check()
    world.unmap(100, 101)
    assert rss(world)[1] == 511, "split, and one page gone"
    world.check()
    world.unmap(0, 1024)
    assert (rss(world), tables(world)) == ((0, 0, 0, 0), 0)
    world.check()


def test_a_huge_page_after_fork(world: World) -> None:
    world.sysctl(thp_enabled=2)
    world.map(0, 512)
    world.write(0, 1)
    child = world.fork()
    assert rss(child)[1] == 512
    world.check()
    child.write(7, 8)
    assert rss(child)[1] == 512, "split for one small copy"
    world.check()
    world.write(9, 10)
    child.exit()
    world.check()
    world.space.sys_mremap(world.mm, B, 512 * P, 512 * P, 3, B + 4096 * P)
    world.check()


def test_the_huge_zero_page(world: World) -> None:
    world.sysctl(thp_enabled=2)
    world.map(0, 512)
    world.read(0, 1)
    assert rss(world) == (0, 0, 0, 0)
    child = world.fork()
    world.write(5, 6)
    whole = world.twin.profile.since(6, 13)  # then a write takes a huge page in its place
    assert rss(world)[1] == (512 if whole else 1)
    child.read(0, 512)
    world.check()
    child.exit()
    world.check()


# Swap and migration.


def test_a_swap_entry_of_x86_never_looks_present(world: World) -> None:
    for kind, offset in ((0, 1), (3, 0xFFFFF), (p.SWP_MIGRATION_WRITE, 0x12345)):
        entry = world.space.swp_pte(kind, offset)
        assert not entry & (p.PRESENT | p.PROTNONE)
        assert world.space.swp_type(entry) == kind
        assert world.space.swp_offset(entry) == offset


def test_an_orphaned_migration_entry_is_a_bug(world: World) -> None:
    """Thread of April 2022, item 1: an entry whose page is not locked any more."""
    world.map(0, 1)
    world.write(0, 1)
    memory, space = world.twin.memory, world.space
    at = space.pte_at(world.mm, B)
    page = space.page_of(memory.load(at))
    space.page_remove_rmap(page)
    memory.store(at, space.swp_pte(p.SWP_MIGRATION_WRITE, space.pages.page_to_pfn(page)))
    assert [v.invariant for v in world.checker.full()] == ["VM-44"]
    with pytest.raises(KernelBug, match="PageLocked"):
        world.unmap(0, 1)


def test_memory_runs_out(world: World) -> None:
    world.map(0, 64)
    pages = world.space.pages

    class Nothing:
        def __init__(self, left: int) -> None:
            self.left = left

        def should_fail(self, name: str, gfp: int) -> bool:
            self.left -= 1
            return self.left < 0

    for left in range(8):
        pages.injector = Nothing(left)
        done = world.write(0, 8)
        pages.injector = None
        assert done in (0, -errno.ENOMEM)
        world.check()


def test_below_two_megabytes_smaps_calls_any_area_eligible(world: World) -> None:
    """transhuge_vma_suitable wraps below zero (seed 30072 on 6.1)."""
    world.sysctl(thp_enabled=2)
    assert world.space.sys_mmap(world.mm, 0x10000, P, 0, FIXED, 0, 0) == 0x10000
    world.map(0, 1)
    smaps = world.space.proc_smaps(world.mm).splitlines()
    assert [line.split()[1] for line in smaps if line.startswith("THPeligible")] == ["1", "0"]
