"""madvise and names: which advice is known, holes, flags, refusals, limits."""

import errno

import pytest
from maps_text import STATIC, lines
from world import FIXED, NONE, RW, B, P, R, World

from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space.files import FILE_DEVICE

SHARED = c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_FIXED


@pytest.mark.parametrize(
    ("addr", "length", "advice", "result"),
    [
        (B, P, 5, -errno.EINVAL),
        (B, P, 26, -errno.EINVAL),
        (B, P, 100, -errno.EINVAL),
        (B + 1, P, c.MADV_NORMAL, -errno.EINVAL),
        (B, 2**64 - 1, c.MADV_NORMAL, -errno.EINVAL),
        (B, 2**64 - 2 * P, c.MADV_NORMAL, -errno.EINVAL),
        (B, 0, c.MADV_NORMAL, 0),
        (B, P, c.MADV_RANDOM | 1 << 32, 0),
        (B + 90 * P, P, c.MADV_RANDOM, -errno.ENOMEM),
    ],
)
def test_arguments(world: World, addr: int, length: int, advice: int, result: int) -> None:
    world.map(0, 4)
    assert world.space.sys_madvise(world.mm, addr, length, advice) == result


@pytest.mark.parametrize("advice", [c.MADV_GUARD_INSTALL, c.MADV_GUARD_REMOVE])
def test_guards_are_new(world: World, advice: int) -> None:
    world.map(0, 2)
    assert world.advise(0, 1, advice) == (0 if world.new else -errno.EINVAL)


@pytest.mark.parametrize("advice", [c.MADV_HUGEPAGE, c.MADV_NOHUGEPAGE, c.MADV_COLLAPSE])
def test_huge_pages_may_be_configured_out(world: World, advice: int) -> None:
    world.map(0, 2)
    world.sysctl(thp=0)
    assert world.advise(0, 1, advice) == -errno.EINVAL


@pytest.mark.parametrize(
    ("advice", "added", "undo"),
    [
        (c.MADV_RANDOM, c.VM_RAND_READ, c.MADV_NORMAL),
        (c.MADV_SEQUENTIAL, c.VM_SEQ_READ, c.MADV_NORMAL),
        (c.MADV_DONTFORK, c.VM_DONTCOPY, c.MADV_DOFORK),
        (c.MADV_DONTDUMP, c.VM_DONTDUMP, c.MADV_DODUMP),
        (c.MADV_WIPEONFORK, c.VM_WIPEONFORK, c.MADV_KEEPONFORK),
        (c.MADV_MERGEABLE, c.VM_MERGEABLE, c.MADV_UNMERGEABLE),
    ],
)
def test_flags_there_and_back(world: World, advice: int, added: int, undo: int) -> None:
    world.map(0, 6)
    old = world.flags(0)
    assert world.advise(2, 4, advice) == 0
    assert world.ranges() == [(0, 2), (2, 4), (4, 6)]
    assert world.flags(2) == old | added
    assert world.advise(2, 4, undo) == 0
    assert world.ranges() == [(0, 6)]
    assert world.flags(0) == old
    world.check()


def test_one_of_two(world: World) -> None:
    world.map(0, 2)
    world.advise(0, 2, c.MADV_RANDOM)
    world.advise(0, 2, c.MADV_SEQUENTIAL)
    assert world.flags(0) & (c.VM_RAND_READ | c.VM_SEQ_READ) == c.VM_SEQ_READ
    both = c.VM_HUGEPAGE | c.VM_NOHUGEPAGE
    world.advise(0, 2, c.MADV_HUGEPAGE)
    assert world.flags(0) & both == c.VM_HUGEPAGE
    world.advise(0, 2, c.MADV_NOHUGEPAGE)
    assert world.flags(0) & both == c.VM_NOHUGEPAGE


def test_holes_are_remembered(world: World) -> None:
    world.map(1, 3)
    world.map(5, 7)
    assert world.advise(0, 8, c.MADV_DONTDUMP) == -errno.ENOMEM
    assert world.flags(1) & world.flags(5) & c.VM_DONTDUMP
    assert world.advise(1, 3, c.MADV_DODUMP) == 0
    assert world.advise(3, 5, c.MADV_DODUMP) == -errno.ENOMEM
    world.check()


def test_a_refusal_ends_the_way(world: World) -> None:
    world.map(0, 2)
    world.map(2, 4, RW, SHARED)
    world.map(4, 6)
    assert world.advise(0, 6, c.MADV_WIPEONFORK) == -errno.EINVAL
    assert world.flags(0) & c.VM_WIPEONFORK
    assert world.flags(4) & c.VM_WIPEONFORK == 0


@pytest.mark.parametrize(
    ("advice", "error"),
    [
        (c.MADV_RANDOM, errno.EAGAIN),
        (c.MADV_POPULATE_WRITE, errno.ENOMEM),
        (c.MADV_GUARD_INSTALL, errno.ENOMEM),
    ],
)
def test_out_of_memory_is_told_apart_from_a_split_that_failed(
    new: World, advice: int, error: int
) -> None:
    """Only where areas change, want of memory may be over soon."""
    new.map(0, 4)
    with new.failing(0):
        assert new.advise(1, 2, advice) == -error


@pytest.mark.parametrize(
    ("bit", "seal", "result"),
    [(0, 0, 0), (0x100, 0, -errno.ETXTBSY), (0, 0x10, -errno.EPERM), (0, 8, -errno.EPERM)],
    ids=["a file", "swapped to", "sealed later", "sealed"],
)
def test_holes_in_files_of_all_sorts(world: World, bit: int, seal: int, result: int) -> None:
    file = world.open()
    world.map(0, 4, R, c.MAP_SHARED | c.MAP_FIXED, file)
    inode = world.space.view("inode", world.space.view("file", file).f_inode)
    inode.i_flags = bit
    inode.i_seals = seal
    assert world.advise(1, 2, c.MADV_REMOVE) == result


def test_no_holes_in_devices(world: World) -> None:
    file = world.open("/dev/fb0", kind=FILE_DEVICE)
    world.map(0, 4, RW, c.MAP_SHARED | c.MAP_FIXED, file)
    assert world.advise(1, 2, c.MADV_REMOVE) == -errno.ENODEV


def test_shared_memory_is_never_merged_by_ksm(world: World) -> None:
    world.map(0, 2, RW, SHARED)
    assert world.advise(0, 1, c.MADV_MERGEABLE) == 0
    assert world.ranges() == [(0, 2)]


def test_special_mappings(world: World) -> None:
    mm = world.space.load_image(world.task, lines(STATIC))
    world.mm = mm
    world.adopt(world.task, mm)
    vvar = 0x7FFFF7FF9000
    calls = {
        c.MADV_DONTNEED: -errno.EINVAL,
        c.MADV_COLD: -errno.EINVAL,
        c.MADV_DOFORK: -errno.EINVAL,
        c.MADV_DODUMP: -errno.EINVAL,
        c.MADV_DONTFORK: 0,
    }
    for advice, result in calls.items():
        assert world.space.sys_madvise(mm, vvar, 4 * P, advice) == result
    assert world.space.sys_madvise(mm, vvar, P, c.MADV_DONTDUMP) == 0, "it is set already"
    assert world.space.sys_madvise(mm, vvar, P, c.MADV_RANDOM) == -errno.EINVAL


@pytest.mark.parametrize(
    ("room", "result", "areas"),
    [
        (0, -errno.EAGAIN, 1),
        (1, -errno.EAGAIN, 2),
        (2, 0, 3),
    ],
)
def test_the_map_limit_is_called_a_passing_one(
    world: World, room: int, result: int, areas: int
) -> None:
    world.map(0, 8)
    world.sysctl(max_map_count=1 + room)
    assert world.advise(2, 4, c.MADV_RANDOM) == result
    assert len(world.ranges()) == areas


# Advice about pages.


@pytest.mark.parametrize(
    ("advice", "anonymous", "locked", "file"),
    [
        (c.MADV_WILLNEED, 0, 0, 0),
        (c.MADV_DONTNEED, 0, -22, 0),
        (c.MADV_DONTNEED_LOCKED, 0, 0, 0),
        (c.MADV_FREE, 0, -22, -22),
        (c.MADV_COLD, 0, -22, 0),
        (c.MADV_PAGEOUT, 0, -22, 0),
        (c.MADV_REMOVE, -22, -22, -13),
        (c.MADV_COLLAPSE, -22, -22, -22),
    ],
)
def test_what_pages_allow(
    world: World, advice: int, anonymous: int, locked: int, file: int
) -> None:
    world.map(0, 2)
    world.map(2, 4, RW, FIXED | c.MAP_LOCKED)
    world.map(4, 6, RW, c.MAP_PRIVATE | c.MAP_FIXED, world.open(flags=c.O_RDONLY))
    assert world.advise(0, 1, advice) == anonymous
    assert world.advise(2, 3, advice) == locked
    assert world.advise(4, 5, advice) == file
    assert len(world.ranges()) == 3


def test_holes_are_punched_where_writing_is_possible(world: World) -> None:
    """6.1.192 and later ask whether the mapping may become writable, not whether it is."""
    world.map(0, 2, R, SHARED)
    world.map(2, 4, R, c.MAP_SHARED | c.MAP_FIXED, world.open("/a", c.O_RDONLY))
    assert world.advise(0, 1, c.MADV_REMOVE) == 0
    assert world.advise(2, 3, c.MADV_REMOVE) == -errno.EACCES


def test_populate(world: World) -> None:
    world.map(0, 2)
    world.map(2, 4, R)
    world.map(4, 6, NONE)
    assert world.advise(0, 2, c.MADV_POPULATE_READ) == 0
    assert world.vma(0).anon_vma == 0
    assert world.advise(0, 2, c.MADV_POPULATE_WRITE) == 0
    assert world.vma(0).anon_vma != 0
    assert world.advise(2, 3, c.MADV_POPULATE_WRITE) == -errno.EINVAL
    assert world.advise(4, 5, c.MADV_POPULATE_READ) == -errno.EINVAL
    assert world.advise(2, 6, c.MADV_POPULATE_READ) == -errno.EINVAL


def test_populate_before_a_hole(world: World) -> None:
    """6.1 passes holes over, 6.18 stops at the first."""
    world.map(2, 4)
    assert world.advise(0, 4, c.MADV_POPULATE_WRITE) == -errno.ENOMEM
    assert bool(world.vma(2).anon_vma) is not world.new
    world.map(8, 10)
    assert world.advise(8, 12, c.MADV_POPULATE_WRITE) == -errno.ENOMEM
    assert world.vma(8).anon_vma != 0


def test_dontneed_does_not_make_memory_clean(world: World) -> None:
    world.map(0, 2)
    world.write(0, 2)
    assert world.advise(0, 2, c.MADV_DONTNEED) == 0
    assert world.vma(0).anon_vma != 0


def test_guards(new: World) -> None:
    """The area remembers that it may hold guards, also what it merges with; locked ones may not."""
    new.map(0, 2)
    assert new.advise(0, 1, c.MADV_GUARD_INSTALL) == 0
    assert new.vma(0).anon_vma != 0
    new.map(2, 4)
    assert new.ranges() == [(0, 4)]
    assert new.flags(3) & c.VM_MAYBE_GUARD_6_18
    assert new.advise(0, 4, c.MADV_GUARD_REMOVE) == 0
    assert new.flags(0) & c.VM_MAYBE_GUARD_6_18
    new.map(8, 10, RW, FIXED | c.MAP_LOCKED)
    assert new.advise(8, 9, c.MADV_GUARD_INSTALL) == -errno.EINVAL
    assert new.advise(8, 9, c.MADV_GUARD_REMOVE) == 0
    new.check()


def test_guards_survive_a_split_and_a_merge(new: World) -> None:
    new.map(0, 4)
    new.write(0, 4)
    new.protect(1, 2, R)
    new.advise(1, 2, c.MADV_GUARD_INSTALL)
    assert new.protect(1, 2, RW) == 0
    assert new.ranges() == [(0, 4)]
    assert new.flags(0) & c.VM_MAYBE_GUARD_6_18
    new.check()


# Names.


def name(world: World, start: int, end: int, text: str | None) -> int:
    length = (end - start) * P
    return world.space.sys_prctl_set_vma(world.mm, 0, B + start * P, length, text)


def test_names_split_and_merge(world: World) -> None:
    world.map(0, 6)
    assert name(world, 2, 4, "heap") == 0
    assert world.ranges() == [(0, 2), (2, 4), (4, 6)]
    assert "[anon:heap]\n" in world.space.proc_maps(world.mm)
    assert name(world, 0, 2, "heap") == 0
    assert world.ranges() == [(0, 4), (4, 6)]
    assert name(world, 0, 4, None) == 0
    assert world.ranges() == [(0, 6)]
    world.check()


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", 0),
        ("x" * 79, 0),
        ("x" * 80, -22),
        ("a b", 0),
        ("a\\b", -22),
        ("`", -22),
        ("$x", -22),
        ("[x", -22),
        ("x]", -22),
        ("\x1f", -22),
        ("\x7f", -22),
    ],
)
def test_which_names(world: World, text: str, result: int) -> None:
    world.map(0, 2)
    assert name(world, 0, 2, text) == result


def test_names_of_files(world: World) -> None:
    world.map(0, 2, RW, c.MAP_PRIVATE | c.MAP_FIXED, world.open())
    world.map(2, 4, RW, SHARED)
    assert name(world, 0, 2, "x") == -errno.EBADF
    assert name(world, 2, 4, "x") == (0 if world.new else -errno.EBADF)
    assert name(world, 4, 6, "x") == -errno.ENOMEM
    world.check()


def test_arguments_of_names(world: World) -> None:
    world.map(0, 2)
    space, mm = world.space, world.mm
    assert space.sys_prctl_set_vma(mm, 1, B, P, "x") == -errno.EINVAL
    assert space.sys_prctl_set_vma(mm, 0, B + 1, P, "x") == -errno.EINVAL
    assert space.sys_prctl_set_vma(mm, 0, B, 2**64 - 1, "x") == -errno.EINVAL
    assert space.sys_prctl_set_vma(mm, 0, B, 0, "x") == 0
    world.sysctl(anon_vma_name=0)
    assert space.sys_prctl_set_vma(mm, 0, B, P, "x") == -errno.EINVAL


@pytest.mark.parametrize("unmapped", [0, 511])
def test_what_is_left_of_a_huge_page_is_freed_lazily(world: World, unmapped: int) -> None:
    """6.1 judges by the first page's mappings whether others map it (seed 162268 in the guest)."""
    world.sysctl(thp_enabled=2)
    world.map(0, 512)
    world.write(0, 512)
    world.unmap(unmapped, unmapped + 1)
    first = 1 if unmapped == 0 else 0
    assert world.advise(first, first + 511, c.MADV_FREE) == 0
    space = world.space
    dirty = space.ptep_get(space.pte_at(world.mm, B + 5 * P)) & p.DIRTY
    assert bool(dirty) == (unmapped == 0 and not world.twin.profile.since(6, 13))
    world.check()
