"""Pages of 64 KiB: every size and place is counted in them, from the profile."""

import errno

import pytest
from world import ANON, FIXED, RW, World

from mmtwin.space import flags as c
from mmtwin.space.exec import MapsLine
from mmtwin.space.larger_pages import laid_out, moved
from mmtwin.trace.maps import parse_maps

P = 1 << 16
AT = 0x10000000
TOP = 1 << 48
IMAGE = """\
00400000-00401000 r--p 00000000 00:02 5 /init
00401000-00480000 r-xp 00001000 00:02 5 /init
00490000-00493000 rw-p 00090000 00:02 5 /init
7ffff7fc1000-7ffff7fc5000 r--p 00000000 00:00 0 [vvar]
7ffff7fc5000-7ffff7fc7000 r-xp 00000000 00:00 0 [vdso]
7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0 [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]
"""


@pytest.fixture
def wide() -> World:
    return World("6.1-arm64-64k")


def mmap(world: World, addr: int, size: int, flags: int = ANON) -> int:
    return world.space.sys_mmap(world.mm, addr, size, RW, flags, 0, 0)


def spans(lines: list[MapsLine]) -> list[tuple[int, int]]:
    return [(line.start, line.end) for line in lines]


def test_an_image_is_laid_out_in_whole_pages_that_adjoin_as_before() -> None:
    lines = parse_maps(IMAGE)
    laid = laid_out(lines, P)
    assert spans(laid) == [
        (0x400000, 0x410000),
        (0x410000, 0x490000),
        (0x490000, 0x4A0000),
        (0x7FFFF7FC0000, 0x7FFFF7FD0000),
        (0x7FFFF7FD0000, 0x7FFFF7FE0000),
        (0x7FFFFFFD0000, 0x800000000000),
        (0xFFFFFFFFFF600000, 0xFFFFFFFFFF601000),
    ]
    assert [line.offset for line in laid[:3]] == [0, 0, 0x90000]
    assert [line.perms for line in laid] == [line.perms for line in lines]


def test_an_image_of_such_pages_stays_as_it_is() -> None:
    laid = laid_out(parse_maps(IMAGE), P)
    assert spans(laid_out(laid, P)) == spans(laid)
    assert spans(laid_out(parse_maps(IMAGE), 4096)) == spans(parse_maps(IMAGE))


def test_addresses_move_with_what_they_lie_in() -> None:
    lines = parse_maps(IMAGE)
    laid = laid_out(lines, P)
    assert moved(0, lines, laid) == 0
    assert moved(0x401234, lines, laid) == 0x410234
    assert moved(0x493000, lines, laid) == 0x4A0000  # the break, behind the data
    assert moved(0x4A5000, lines, laid) == 0x4A5000
    assert moved(0x7FFFFFFFE000, lines, laid) == 0x7FFFFFFF0000


def test_lengths_are_rounded_and_places_must_be_whole_pages(wide: World) -> None:
    assert mmap(wide, AT, 1, ANON | FIXED) == AT
    assert f"{AT:x}-{AT + P:x}" in wide.space.proc_maps(wide.mm)
    assert mmap(wide, AT + 4096, P, ANON | FIXED) == -errno.EINVAL
    space = wide.space
    assert space.sys_munmap(wide.mm, AT + 4096, 4096) == -errno.EINVAL
    assert space.sys_mprotect(wide.mm, AT + 4096, 4096, 1) == -errno.EINVAL
    assert space.sys_mremap(wide.mm, AT + 4096, P, P, 1, 0) == -errno.EINVAL
    assert space.sys_madvise(wide.mm, AT + 4096, P, 4) == -errno.EINVAL
    assert space.sys_msync(wide.mm, AT + 4096, P, 4) == -errno.EINVAL
    assert space.sys_mlock(wide.mm, AT + 4096, 1) == 0
    wide.check()
    assert wide.mm_view().get("locked_vm") == 1
    assert space.sys_munmap(wide.mm, AT, 1) == 0
    assert space.proc_maps(wide.mm).count("\n") == 0
    wide.check()


def test_counters_and_limits_count_large_pages(wide: World) -> None:
    assert mmap(wide, AT, 4 * P, ANON | FIXED) == AT
    assert wide.mm_view().get("total_vm") == 4
    assert f"VmSize:\t{4 * 64:>8} kB" in wide.space.proc_status(wide.mm)
    wide.space.set_rlimit(wide.mm, c.RLIMIT_AS, 6 * P, 6 * P)
    assert mmap(wide, 0, 3 * P) == -errno.ENOMEM
    assert mmap(wide, 0, 2 * P) > 0
    assert f"Size:           {4 * 64:>8} kB" in wide.space.proc_smaps(wide.mm)
    wide.check()


def test_what_may_be_promised_is_told_in_kilobytes(wide: World) -> None:
    """6,400 kB are a hundred pages."""
    charged = wide.in_use()["committed"]
    wide.sysctl(overcommit_memory=2, overcommit_kbytes=64 * (charged + 100), user_reserve_kbytes=0)
    assert mmap(wide, AT, 100 * P) == -errno.ENOMEM
    assert mmap(wide, AT, 99 * P) == AT
    wide.sysctl(overcommit_kbytes=1)
    assert mmap(wide, AT + 200 * P, P) == -errno.ENOMEM, (
        "less than a page is none, not the ratio's share"
    )


def test_the_search_begins_below_the_stack_of_48_bits(wide: World) -> None:
    space = wide.space
    space.arch_pick_mmap_layout(wide.mm)
    stack = space.rlimit(wide.mm, c.RLIMIT_STACK)
    random = 0x3FFF << 16
    gap = max(stack + (256 << 16) + random, 128 << 20)
    base = TOP - gap + P - 1 & -P
    assert wide.mm_view().get("mmap_base") == base
    assert mmap(wide, 0, 1) == base - P
    assert mmap(wide, AT + 4096, 1) == AT  # a hint is rounded down to a page first
    assert mmap(wide, TOP - P, P) == TOP - P
    assert mmap(wide, TOP, P, ANON | FIXED) == -errno.ENOMEM
    wide.check()


def test_the_old_layout_for_an_unlimited_stack(wide: World) -> None:
    space = wide.space
    space.set_rlimit(wide.mm, c.RLIMIT_STACK, c.RLIM_INFINITY, c.RLIM_INFINITY)
    mm = space.mm_alloc(wide.task)
    space.arch_pick_mmap_layout(mm)
    assert space.sys_mmap(mm, 0, P, RW, ANON, 0, 0) == 1 << 46
    assert space.sys_mmap(mm, AT, P, RW, ANON, 0, 0) == AT


def test_a_stack_keeps_16_mib_from_its_neighbour(wide: World) -> None:
    grows = ANON | FIXED | c.MAP_GROWSDOWN
    stack = AT + (1 << 30)
    space = wide.space
    assert space.sys_mmap(wide.mm, stack, P, RW, grows, 0, 0) == stack
    near = stack - (256 + 4) * P
    assert mmap(wide, near, P, ANON | FIXED) == near
    assert space.touch(wide.mm, stack - 3 * P, 1, True) == 0
    assert space.touch(wide.mm, stack - 4 * P, 1, True) == -errno.EFAULT
    assert f"{stack - 3 * P:x}-{stack + P:x}" in space.proc_maps(wide.mm)
    wide.check()


def test_the_break_grows_by_large_pages(wide: World) -> None:
    space = wide.space
    view = wide.mm_view()
    view.start_brk = view.brk = AT
    assert space.sys_brk(wide.mm, AT + 1) == AT + 1
    assert f"{AT:x}-{AT + P:x} rw-p" in space.proc_maps(wide.mm)
    assert space.sys_brk(wide.mm, AT + P) == AT + P
    assert wide.mm_view().get("data_vm") == 1
    wide.check()


def test_fork_merge_split_and_remap_count_offsets_in_large_pages(wide: World) -> None:
    space = wide.space
    assert mmap(wide, AT, 8 * P, ANON | FIXED) == AT
    assert space.touch(wide.mm, AT, 8 * P, True) == 0
    assert space.sys_mprotect(wide.mm, AT + 2 * P, P, 1) == 0
    wide.check()
    assert space.proc_maps(wide.mm).count("\n") == 3
    assert space.sys_mprotect(wide.mm, AT + 2 * P, P, RW) == 0
    assert space.proc_maps(wide.mm).count("\n") == 1
    to = AT + 32 * P
    assert space.sys_mremap(wide.mm, AT + P, P, 2 * P, 3, to) == to
    vma = space.find_vma(wide.mm, to)
    assert space.view("vm_area_struct", vma).vm_pgoff == (AT >> 16) + 1
    child = wide.fork()
    child.check()
    wide.check()


def test_nothing_is_in_memory_however_one_asks(wide: World) -> None:
    space = wide.space
    assert mmap(wide, AT, 4 * P, ANON | FIXED) == AT
    assert space.touch(wide.mm, AT, 4 * P, True) == 0
    assert space.mincore_vector(wide.mm, AT, 4 * P) == bytes(len(range(0, 4 * P, 4096)))
    assert space.pagemap_entry(wide.mm, AT) & ~(1 << 55) == 0
    assert "Rss:                   0 kB" in space.proc_smaps(wide.mm)
    assert space.sys_madvise(wide.mm, AT, 4 * P, c.MADV_DONTNEED) == 0
    assert space.sys_process_vm(wide.mm, AT, 8, True) == 8
    wide.check()


def test_what_the_machine_does_not_have(wide: World) -> None:
    space = wide.space
    assert space.sys_pkey_mprotect(wide.mm, AT, P, 1, 0) == -errno.ENOSYS
    assert mmap(wide, 0, P, ANON | 0x40000) == -errno.ENOMEM
    file = space.shmem_file_setup("/memfd:f (deleted)", 0, 0)
    flags = c.MAP_SHARED_VALIDATE | c.MAP_32BIT
    assert space.sys_mmap(wide.mm, 0, P, RW, flags, file, 0) == -errno.EOPNOTSUPP
    assert space.sys_mmap(wide.mm, 0, P, RW, c.MAP_SHARED_VALIDATE, file, 4096) == -errno.EINVAL
    assert space.touch(wide.mm, space.sys_mmap(wide.mm, 0, P, RW, 1, file, 0), 1, True) < 0
