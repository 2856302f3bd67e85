"""A pool of huge pages: what mappings are promised, what their pages cost, what comes back.

Random calls agree with 6.1.192 in a guest and with a 6.18.44 that have such pools
(``kernels/huge.py``); here stand what they found, and the rules in short.
"""

import errno
import signal
from random import Random

import pytest
from world import RW, P, R, World

from mmtwin.machine.bug import KernelBug
from mmtwin.space import flags as c
from modes import sample

M = 1 << 20
H = 2 * M
AT = 0x20000000
PRIVATE = c.MAP_PRIVATE | c.MAP_ANONYMOUS | c.MAP_HUGETLB | c.MAP_FIXED
SHARED = c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_HUGETLB | c.MAP_FIXED


class Pool:
    """A process on a machine with some huge pages; every step is checked."""

    def __init__(self, world: World, pages: int, surplus: int = 0) -> None:
        self.world = world
        self.huge = world.space.huge
        assert self.huge.set_nr_hugepages(pages) == pages
        self.huge.set_nr_overcommit_hugepages(surplus)
        self.mark = 0
        self.check()

    def check(self) -> None:
        touched = self.world.checker.touched(self.mark)
        assert not touched, "\n".join(map(str, touched))
        self.world.check()
        self.mark = self.world.twin.memory.mark()

    def map(self, place: int, pages: int, flags: int = PRIVATE, prot: int = RW, **more: int) -> int:
        """mmap of some huge pages from the ``place``-th on: 0 or a negative errno."""
        file, offset = more.get("file", 0), more.get("offset", 0)
        space, mm = self.world.space, self.world.mm
        found = space.sys_mmap(mm, AT + place * H, pages * H, prot, flags, file, offset)
        self.check()
        return 0 if found == AT + place * H else found

    def touch(self, place: int, write: bool = True, who: World | None = None) -> int:
        """The signal that an access to a huge page gives."""
        who = who or self.world
        found = who.space.fault_signal(who.mm, AT + place * H + P, write)
        self.check()
        return found

    def unmap(self, place: int, pages: int = 1) -> int:
        found = self.world.space.sys_munmap(self.world.mm, AT + place * H, pages * H)
        self.check()
        return found

    def advise(self, place: int, advice: int, pages: int = 1) -> int:
        found = self.world.space.sys_madvise(self.world.mm, AT + place * H, pages * H, advice)
        self.check()
        return found

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """HugePages_Total, _Free, _Rsvd, _Surp."""
        total, free, resv, surplus = map(self.huge.count, ("nr", "free", "resv", "surplus"))
        return total, free, resv, surplus


@pytest.fixture
def pool(world: World) -> Pool:
    """Four huge pages."""
    return Pool(world, 4)


def test_a_private_mapping_is_promised_all_its_pages(pool: Pool) -> None:
    assert pool.map(0, 3) == 0
    assert pool.counts == (4, 4, 3, 0)
    assert pool.map(4, 2) == -errno.ENOMEM
    assert pool.map(4, 1, prot=R) == 0  # mprotect may make it writable one day
    assert pool.counts == (4, 4, 4, 0)
    assert pool.touch(0) == pool.touch(1, write=False) == 0
    assert pool.counts == (4, 2, 2, 0)
    assert pool.unmap(1) == 0
    assert pool.counts == (4, 3, 2, 0)
    assert pool.unmap(0, 6) == 0
    assert pool.counts == (4, 4, 0, 0)


def test_shared_mappings_are_promised_each_page_of_a_file_once(pool: Pool) -> None:
    space, mm = pool.world.space, pool.world.mm
    file = space.hugetlb_file_setup("/memfd:x (deleted)", 3 * H, 21)
    shared = c.MAP_SHARED | c.MAP_FIXED
    assert pool.map(0, 2, shared, file=file) == 0
    assert pool.map(4, 2, shared, file=file, offset=H) == 0
    assert pool.counts == (4, 4, 3, 0)
    assert pool.touch(1) == pool.touch(4) == 0
    assert pool.counts == (4, 3, 2, 0)
    assert "Shared_Hugetlb:     2048 kB" in space.proc_smaps(mm)
    assert pool.unmap(0, 6) == 0
    assert pool.counts == (4, 3, 2, 0)  # the file's, whoever maps it
    space.fput(file)
    pool.check()
    assert pool.counts == (4, 4, 0, 0)


def test_without_a_promise_the_pool_may_be_empty(pool: Pool) -> None:
    assert pool.map(0, 4) == 0
    assert pool.map(4, 2, PRIVATE | c.MAP_NORESERVE) == 0
    assert pool.touch(4) == signal.SIGBUS
    assert pool.unmap(0) == 0
    assert pool.touch(4) == 0
    assert pool.touch(5) == signal.SIGBUS
    assert pool.map(6, 1, PRIVATE | c.MAP_NORESERVE | c.MAP_POPULATE) == 0
    assert [pool.touch(place) for place in (1, 2, 3)] == [0, 0, 0]


def test_surplus_pages_come_for_promises_and_go_with_them(world: World) -> None:
    pool = Pool(world, 1, surplus=2)
    assert pool.map(0, 3) == 0
    assert pool.counts == (3, 3, 3, 2)
    assert pool.map(4, 1) == -errno.ENOMEM
    assert pool.touch(0) == 0
    assert pool.unmap(1) == 0
    assert pool.counts == (2, 1, 1, 1)
    assert pool.unmap(0, 3) == 0
    assert pool.counts == (1, 1, 0, 0)


def test_a_pool_shrinks_to_what_is_in_use(pool: Pool) -> None:
    assert pool.map(0, 2) == pool.touch(0) == 0
    assert pool.huge.set_nr_hugepages(0) == 0
    pool.check()
    assert pool.counts == (2, 1, 1, 2)
    assert pool.huge.set_nr_hugepages(1) == 1
    assert pool.counts == (2, 1, 1, 1)
    assert pool.unmap(0, 2) == 0
    assert pool.counts == (1, 1, 0, 0)
    assert pool.huge.set_nr_hugepages(0) == 0
    pool.check()


def test_memory_that_is_short_makes_the_pool_smaller() -> None:
    world = World("6.1", ram=16 * M)
    assert 0 < world.space.huge.set_nr_hugepages(100) < 8
    world.check()


def test_a_child_shares_pages_until_it_writes(pool: Pool) -> None:
    assert pool.map(0, 2) == pool.touch(0) == 0
    child = pool.world.fork()
    assert pool.counts == (4, 3, 1, 0)
    assert "HugetlbPages:\t    2048 kB" in child.space.proc_status(child.mm)
    assert pool.touch(0, who=child) == 0
    assert pool.counts == (4, 2, 1, 0)
    assert pool.touch(0) == 0  # alone again: no copy
    assert pool.counts == (4, 2, 1, 0)
    assert pool.touch(1, who=child) == 0  # its own page, without a promise
    assert pool.counts == (4, 1, 1, 0)
    child.exit()
    pool.check()
    assert pool.counts == (4, 3, 1, 0)


def test_the_owner_of_promises_takes_pages_from_its_children(pool: Pool) -> None:
    assert pool.map(0, 4) == 0
    assert [pool.touch(place) for place in range(4)] == [0, 0, 0, 0]
    child = pool.world.fork()
    assert pool.touch(2, who=child) == signal.SIGBUS
    assert pool.touch(1) == 0
    assert pool.touch(1, write=False, who=child) == signal.SIGBUS
    assert pool.touch(0, write=False, who=child) == 0
    child.exit()
    pool.check()


def test_a_page_that_a_child_has_moved_is_sought_in_vain(pool: Pool) -> None:
    """The kernel tries for ever then; ``unmap_ref_private`` looks where the parent has the page."""
    assert pool.map(0, 4) == 0
    assert [pool.touch(place) for place in range(4)] == [0, 0, 0, 0]
    child = pool.world.fork()
    flags = c.MREMAP_MAYMOVE | c.MREMAP_FIXED
    assert child.space.sys_mremap(child.mm, AT, 4 * H, 4 * H, flags, AT + 8 * H) == AT + 8 * H
    pool.check()
    with pytest.raises(KernelBug, match="for ever"):
        pool.touch(0)


def test_what_is_not_needed_is_promised_again_since_6_9(pool: Pool) -> None:
    assert pool.map(0, 2) == pool.touch(0) == pool.touch(1) == 0
    assert pool.advise(0, c.MADV_DONTNEED) == 0
    assert pool.counts == (4, 3, 1 if pool.world.new else 0, 0)
    assert pool.touch(0) == 0
    assert pool.unmap(0, 2) == 0
    assert pool.counts == (4, 4, 0, 0)


def test_promises_wrap_below_none_while_a_child_keeps_what_its_parent_unmapped(pool: Pool) -> None:
    """Seed 5464 on 6.18: the owner's page counts as promised again before it is free; /proc/meminfo
    has HugePages_Rsvd of 2^64 - 1 until the child lets go of it."""
    space = pool.world.space
    assert pool.map(0, 1) == pool.touch(0) == 0
    child = pool.world.fork()
    assert pool.unmap(0) == 0
    assert pool.counts == (4, 3, 2**64 - 1 if pool.world.new else 0, 0)
    assert space.sys_mmap(child.mm, 0, 4 * H, RW, PRIVATE & ~c.MAP_FIXED, 0, 0) == -errno.ENOMEM
    child.exit()
    pool.check()
    assert pool.counts == (4, 4, 0, 0)


def test_pages_go_at_the_end_of_an_unmapping(world: World) -> None:
    """Seed 5484 on 6.18: with a surplus page nothing is promised again, also of the second page."""
    pool = Pool(world, 2, surplus=1)
    assert pool.map(0, 3) == pool.touch(0) == pool.touch(1) == 0
    assert pool.counts == (3, 1, 1, 1)
    assert pool.advise(0, c.MADV_DONTNEED, 2) == 0
    assert pool.counts == (2, 2, 1, 0)


def test_a_hole_in_a_file_takes_pages_from_all_and_their_promise_with_them(pool: Pool) -> None:
    assert pool.map(0, 2, SHARED) == pool.touch(0) == pool.touch(1) == 0
    child = pool.world.fork()
    assert pool.touch(0, who=child) == 0
    assert pool.advise(0, c.MADV_REMOVE) == 0
    assert pool.counts == (4, 3, 0, 0)
    assert child.space.mincore_vector(child.mm, AT, P) == b"\0"
    assert pool.touch(0, who=child) == 0
    assert pool.touch(0, write=False) == 0
    assert pool.counts == (4, 2, 0, 0)
    child.exit()


def test_a_mapping_replaces_a_shared_one_that_is_still_promised_its_pages(pool: Pool) -> None:
    """Seed 1067 on 6.1: the old file goes when the call returns, not before."""
    assert pool.map(0, 3, SHARED) == 0
    assert pool.map(0, 3, SHARED) == -errno.ENOMEM
    assert pool.counts == (4, 4, 0, 0)
    assert pool.map(0, 3) == pool.map(0, 3) == 0  # private ones are closed at once


def test_moved_pages_keep_their_promises(pool: Pool) -> None:
    space, mm = pool.world.space, pool.world.mm
    assert pool.map(0, 3) == pool.touch(1) == 0
    flags = c.MREMAP_MAYMOVE | c.MREMAP_FIXED
    assert space.sys_mremap(mm, AT, 3 * H, 3 * H, flags, AT + 8 * H) == AT + 8 * H
    pool.check()
    assert pool.counts == (4, 3, 2, 0)
    assert [pool.touch(8), pool.touch(9), pool.touch(0)] == [0, 0, signal.SIGSEGV]
    assert pool.unmap(8, 3) == 0
    assert pool.counts == (4, 4, 0, 0)


def test_the_promises_of_an_area_of_which_a_part_moves_are_never_given_back(pool: Pool) -> None:
    """So it is in 6.1.192: ``clear_vma_resv_huge_pages`` takes the map of the whole area."""
    space, mm = pool.world.space, pool.world.mm
    assert pool.map(0, 3) == 0
    flags = c.MREMAP_MAYMOVE | c.MREMAP_FIXED
    assert space.sys_mremap(mm, AT, H, H, flags, AT + 8 * H) == AT + 8 * H
    pool.world.check("VM-51")
    assert space.sys_munmap(mm, AT, 10 * H) == 0
    assert pool.counts == (4, 4, 2, 0)


def test_protection_is_for_whole_pages_and_can_be_taken_back(pool: Pool) -> None:
    space, mm = pool.world.space, pool.world.mm
    assert pool.map(0, 2) == pool.touch(0) == 0
    for prot, signals in ((0, (11, 11)), (R, (0, 11)), (RW, (0, 0))):
        assert space.sys_mprotect(mm, AT, H, prot) == 0
        pool.check()
        assert (pool.touch(0, write=False), pool.touch(0)) == signals
    assert space.sys_mprotect(mm, AT, P, R) == -errno.EINVAL
    assert pool.counts == (4, 3, 1, 0)


def test_segments_are_promised_their_pages_when_they_are_made(pool: Pool) -> None:
    space, mm = pool.world.space, pool.world.mm
    assert space.shm_create(mm, 1, 0, 5 * H, c.SHM_HUGETLB) == -errno.ENOMEM
    assert space.shm_create(mm, 1, 0, H + 1, c.SHM_HUGETLB) == 0
    pool.check()
    assert pool.counts == (4, 4, 2, 0)
    assert space.sys_shmat(mm, 1, AT + P, 0) == -errno.EINVAL
    assert space.sys_shmat(mm, 1, AT, 0) == AT
    assert pool.touch(1) == 0
    assert pool.counts == (4, 3, 1, 0)
    line = space.proc_maps(mm).splitlines()[0].split()
    assert line[0] == f"{AT:x}-{AT + 2 * H:x}"
    assert line[5:] == ["/SYSV00000000", "(deleted)"]
    assert space.sys_shmdt(mm, AT) == 0
    assert pool.counts == (4, 3, 1, 0)
    assert space.shm_remove(1) == 0
    pool.check()
    assert pool.counts == (4, 4, 0, 0)


def test_a_segment_of_huge_pages_needs_the_right_to_lock(pool: Pool) -> None:
    space, mm = pool.world.space, pool.world.mm
    assert space.shm_create(mm, 1, 0, H, c.SHM_HUGETLB | 16 << 26) == -errno.EINVAL
    pool.world.drop_capabilities()
    assert space.shm_create(mm, 1, 0, H, c.SHM_HUGETLB) == -errno.EPERM


def test_in_core_is_what_is_mapped_or_what_the_file_has(pool: Pool) -> None:
    """Where no table is, 6.1 asks the file for huge page n where it means small page n."""
    space, mm = pool.world.space, pool.world.mm
    assert pool.map(0, 2, SHARED) == pool.touch(0) == 0
    assert space.mincore_vector(mm, AT, 2 * H) == b"\1" * 512 + b"\0" * 512
    child = pool.world.fork()
    asked = b"\1" * 512 if pool.world.new else b"\1" + b"\0" * 511
    assert child.space.mincore_vector(child.mm, AT, 2 * H) == asked + b"\0" * 512
    child.exit()


def test_a_file_of_huge_pages_is_cut_at_whole_ones(pool: Pool) -> None:
    space = pool.world.space
    file = space.hugetlb_file_setup("/memfd:x (deleted)", 2 * H, 21)
    inode = space.view("file", file).f_inode
    assert pool.map(0, 2, c.MAP_SHARED | c.MAP_FIXED, file=file) == 0
    assert pool.map(4, 2, c.MAP_PRIVATE | c.MAP_FIXED, file=file) == 0
    assert [pool.touch(place) for place in (0, 1, 5)] == [0, 0, 0]
    assert space.huge.truncate(inode, P) == -errno.EINVAL
    assert space.huge.truncate(inode, H) == 0
    pool.check()
    assert [pool.touch(place) for place in (0, 1, 5)] == [0, signal.SIGBUS, signal.SIGBUS]
    assert pool.unmap(0, 6) == 0
    space.fput(file)
    assert pool.counts == (4, 4, 0, 0)


def test_the_oom_reaper_leaves_huge_pages_alone(pool: Pool) -> None:
    assert pool.map(0, 1) == pool.touch(0) == 0
    pool.world.twin.victims.reap(pool.world.mm)
    pool.check()
    assert pool.counts == (4, 3, 0, 0)


def test_reads_of_another_process_see_pages_of_their_own(pool: Pool) -> None:
    space, mm = pool.world.space, pool.world.mm
    assert pool.map(0, 1) == pool.touch(0) == 0
    child = pool.world.fork()
    assert space.sys_process_vm(mm, AT, 8, False) == 8
    pool.check()
    assert pool.counts == (4, 2, 0, 0)  # the parent's own copy
    child.exit()
    pool.check()


@pytest.mark.parametrize("seed", sample(range(4), 4))
def test_nothing_is_lost_whatever_is_called(pool: Pool, seed: int) -> None:
    random = Random(seed)
    world, space = pool.world, pool.world.space
    worlds = [world]
    for _ in range(120):
        who = random.choice(worlds)
        at, length = AT + random.randrange(6) * H, random.randint(1, 3) * H
        draw = random.random()
        if draw < 0.3:
            flags = random.choice([PRIVATE, SHARED]) | random.choice([0, 0, c.MAP_NORESERVE])
            space.sys_mmap(who.mm, at, length, RW, flags, 0, 0)
        elif draw < 0.65:
            space.touch(who.mm, at, length, random.random() < 0.7)
        elif draw < 0.75:
            space.sys_munmap(who.mm, at, length)
        elif draw < 0.85:
            advice = random.choice([c.MADV_DONTNEED, c.MADV_REMOVE])
            space.sys_madvise(who.mm, at, length, advice)
        elif draw < 0.9:
            space.sys_mprotect(who.mm, at, length, random.choice([0, R, RW]))
        elif draw < 0.95 and len(worlds) < 3:
            worlds.append(who.fork())
        elif len(worlds) > 1:
            worlds.pop().exit()
        pool.check()
    for who in worlds[1:]:
        who.exit()
    assert space.sys_munmap(world.mm, AT, 16 * H) == 0
    pool.check()
    assert pool.counts == (4, 4, 0, 0)
    assert space.huge.set_nr_hugepages(0) == 0
    pool.check()
