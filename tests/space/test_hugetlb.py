"""MAP_HUGETLB where no huge pages are reserved: areas, alignment, what is refused.

What 6.18 answers was asked of a 6.18.44 without huge pages.
"""

import errno
import signal

import pytest
from world import ANON, FIXED, RW, P, R, World

from mmtwin.space import flags as c

M = 1 << 20
AT = 0x20000000
HUGE = ANON | c.MAP_HUGETLB
FREELY = HUGE | c.MAP_NORESERVE


@pytest.fixture
def mapped(world: World) -> World:
    """8 MiB of huge pages at ``AT``."""
    assert mmap(world, AT, 8 * M, FREELY | c.MAP_FIXED) == AT
    return world


def mmap(world: World, addr: int, length: int, flags: int, prot: int = RW, offset: int = 0) -> int:
    return world.space.sys_mmap(world.mm, addr, length, prot, flags, 0, offset)


def lines(world: World) -> list[str]:
    """The areas of huge pages as maps shows them, without inode numbers."""
    text = world.space.proc_maps(world.mm).splitlines()
    return [" ".join(line.split()[:3]) for line in text if "/anon_hugepage (deleted)" in line]


def test_nothing_is_promised_from_an_empty_pool(world: World) -> None:
    assert mmap(world, 0, 2 * M, HUGE) == -errno.ENOMEM
    assert mmap(world, 0, 2 * M, HUGE, prot=0) == -errno.ENOMEM
    assert mmap(world, 0, 2 * M, c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_HUGETLB) == -errno.ENOMEM
    assert mmap(world, 0, 1, FREELY | 16 << 26) == -errno.EINVAL
    assert lines(world) == []
    world.check()


def test_lengths_are_rounded_and_places_aligned(world: World) -> None:
    for size, shift in ((2 * M, 0), (2 * M, 21), (1 << 30, 30)):
        found = mmap(world, 0, 1, FREELY | shift << 26)
        assert found % size == 0
        assert f"{found:x}-{found + size:x} rw-p 00000000" in lines(world)
    assert mmap(world, 0, 0, FREELY) == -errno.EINVAL
    assert mmap(world, AT + P, 2 * M, FREELY | c.MAP_FIXED) == -errno.EINVAL
    assert mmap(world, AT, 2 * M, FREELY | c.MAP_FIXED, offset=P) == -errno.EINVAL
    assert mmap(world, AT, 2 * M, FREELY | c.MAP_GROWSDOWN) == -errno.EINVAL
    world.check()


def test_a_hint_is_rounded_down_and_since_6_13_up(world: World) -> None:
    assert mmap(world, AT + P, 2 * M, FREELY) == (AT + 2 * M if world.new else AT)


def test_only_6_18_keeps_huge_pages_below_2_gib_where_asked(world: World) -> None:
    found = mmap(world, 0, 2 * M, FREELY | c.MAP_32BIT)
    assert (found < 1 << 31) == world.new


def test_an_area_is_not_cut_within_a_huge_page(mapped: World) -> None:
    space, mm = mapped.space, mapped.mm
    assert space.sys_munmap(mm, AT + P, P) == -errno.EINVAL
    assert space.sys_munmap(mm, AT + 2 * M, P) == -errno.EINVAL
    assert space.sys_mprotect(mm, AT, P, R) == -errno.EINVAL
    assert space.sys_mprotect(mm, AT, 2 * M, R) == 0
    assert space.sys_munmap(mm, AT + 4 * M, 2 * M) == 0
    assert mmap(mapped, AT + 6 * M + P, P, FIXED) < 0
    assert [line.split()[0] for line in lines(mapped)][:2] == [
        "20000000-20200000",
        "20200000-20400000",
    ]
    mapped.check()


def test_neighbours_never_become_one(mapped: World) -> None:
    assert mmap(mapped, AT + 8 * M, 2 * M, FREELY | c.MAP_FIXED) == AT + 8 * M
    assert len(lines(mapped)) == 2
    assert mapped.space.sys_mprotect(mapped.mm, AT, 2 * M, R) == 0
    assert mapped.space.sys_mprotect(mapped.mm, AT, 2 * M, RW) == 0
    assert len(lines(mapped)) == 3
    mapped.check()


def test_an_access_finds_no_page(mapped: World) -> None:
    space, mm = mapped.space, mapped.mm
    assert space.touch(mm, AT, P, False) == -errno.EFAULT
    assert space.fault_signal(mm, AT + 3 * M, True) == signal.SIGBUS
    assert space.sys_mlock(mm, AT, 2 * M) == -errno.ENOMEM
    assert space.pgtables_bytes(mm) == 2 * P  # of pmds and puds: they come before the page
    assert not mapped.vmas()[0].get("vm_flags") & c.VM_LOCKED
    mapped.check()
    child = mapped.fork()
    child.check()
    assert space.sys_munmap(mm, AT, 8 * M) == 0
    assert space.pgtables_bytes(mm) == 0
    mapped.check()


def test_mremap_moves_whole_huge_pages_and_never_extends(mapped: World) -> None:
    def mremap(addr: int, old: int, new: int, flags: int = 0, to: int = 0) -> int:
        return mapped.space.sys_mremap(mapped.mm, addr, old, new, flags, to)

    fixed = c.MREMAP_MAYMOVE | c.MREMAP_FIXED
    assert mremap(AT, 8 * M, 10 * M, c.MREMAP_MAYMOVE) == -errno.EINVAL
    assert mremap(AT, 2 * M, 2 * M, fixed, AT + 64 * M + P) == -errno.EINVAL
    assert mremap(AT + P, 2 * M, 2 * M, fixed, AT + 64 * M) == -errno.EINVAL
    assert mremap(AT, P, P, fixed, AT + 64 * M) == AT + 64 * M
    assert mremap(AT + 2 * M, 6 * M, P) == AT + 2 * M
    assert [line.split()[0] for line in lines(mapped)] == [
        "20200000-20400000",
        "24000000-24200000",
    ]
    mapped.check()


def test_advice(mapped: World) -> None:
    def advise(addr: int, length: int, advice: int) -> int:
        return mapped.space.sys_madvise(mapped.mm, addr, length, advice)

    assert advise(AT, P, c.MADV_DONTNEED) == 0
    assert advise(AT + P, P, c.MADV_DONTNEED) == -errno.EINVAL
    assert advise(AT, 2 * M, c.MADV_FREE) == -errno.EINVAL
    assert advise(AT, 2 * M, c.MADV_COLD) == -errno.EINVAL
    assert advise(AT, 2 * M, c.MADV_WIPEONFORK) == -errno.EINVAL
    assert advise(AT, 2 * M, c.MADV_DONTDUMP) == 0
    assert advise(AT, 2 * M, c.MADV_POPULATE_READ) == -errno.EFAULT
    mapped.check()


@pytest.mark.parametrize("advice", [c.MADV_DONTNEED, c.MADV_DONTNEED_LOCKED])
def test_what_is_not_needed_begins_with_a_huge_page(mapped: World, advice: int) -> None:
    """Seed 7011500 on 6.18, 70614 on 6.1."""
    space = mapped.space
    assert space.sys_madvise(mapped.mm, AT, P, advice) == 0
    assert space.sys_madvise(mapped.mm, AT + P, P, advice) == -errno.EINVAL


@pytest.mark.parametrize("flags", [0, c.MREMAP_MAYMOVE])
def test_a_new_address_counts_though_nothing_moves(mapped: World, flags: int) -> None:
    """Seed 7024154 on 6.18."""
    for new, result in ((0, AT), (2 * M, AT), (P, -errno.EINVAL), (8, -errno.EINVAL)):
        assert mapped.space.sys_mremap(mapped.mm, AT, P, P, flags, new) == result


def test_smaps_and_the_file_behind(mapped: World) -> None:
    text = mapped.space.proc_smaps(mapped.mm)
    assert "KernelPageSize:     2048 kB" in text
    assert "MMUPageSize:        2048 kB" in text
    assert "ht" in text.split("VmFlags: ")[1]
    file = mapped.space.open_file("/memfd:h (deleted)", 0, 17, 5, c.O_RDWR, size=4 * M)
    at = mapped.space.sys_mmap(
        mapped.mm, 0, P, RW, c.MAP_SHARED | c.MAP_NORESERVE | c.MAP_HUGETLB, file, 2 * M
    )
    assert at % (2 * M) == 0
    plain = mapped.space.open_file("/memfd:n (deleted)", 0, 1, 6, c.O_RDWR, size=4 * M)
    refused = mapped.space.sys_mmap(mapped.mm, 0, P, RW, c.MAP_SHARED | c.MAP_HUGETLB, plain, 0)
    assert refused == -errno.EINVAL
    mapped.check()
