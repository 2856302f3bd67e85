"""Guards (MADV_GUARD_INSTALL, since 6.13): what takes them away, what leaves them be."""

import pytest
from world import RW, RWX, B, P, World

from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p

MOVE_AND_KEEP = c.MREMAP_MAYMOVE | c.MREMAP_DONTUNMAP


def test_guards_outlive_lazy_freeing(new: World) -> None:
    """MADV_FREE clears swap entries, no markers (seed 6505324 on 6.18)."""
    new.map(0, 2)
    assert new.advise(0, 1, c.MADV_GUARD_INSTALL) == 0
    assert new.advise(0, 2, c.MADV_FREE) == 0
    assert new.space.fault_signal(new.mm, B, False) == p.SIGSEGV
    new.check()


def test_guards_outlive_dontneed(new: World) -> None:
    """Seeds 6711032 and 6711148 on 6.18: ordinary zapping leaves markers of guards."""
    new.map(0, 5)
    new.write(0, 5)
    assert new.advise(1, 2, c.MADV_GUARD_INSTALL) == 0
    assert new.advise(3, 4, c.MADV_GUARD_INSTALL) == 0
    assert new.advise(0, 5, c.MADV_DONTNEED) == 0
    assert new.space.rss(new.mm, p.MM_ANONPAGES) == 0
    signals = [new.space.fault_signal(new.mm, B + nth * P, False) for nth in range(5)]
    assert signals == [0, p.SIGSEGV, 0, p.SIGSEGV, 0]
    new.check()


def test_a_guard_does_not_part_what_may_share_an_anon_vma(new: World) -> None:
    """VM_MAYBE_GUARD does not matter to anon_vma_compatible (seed 6211554 on 6.18.44)."""
    new.map(0, 2)
    new.protect(1, 2, RWX)
    assert new.advise(0, 2, c.MADV_GUARD_INSTALL) == 0
    assert new.vma(0).get("anon_vma") == new.vma(1).get("anon_vma")
    new.protect(1, 2, RW)
    assert new.ranges() == [(0, 2)]
    new.check()


def test_guards(new: World) -> None:
    new.map(0, 4)
    new.write(0, 4)
    assert new.advise(1, 2, c.MADV_GUARD_INSTALL) == 0
    assert new.space.rss(new.mm, p.MM_ANONPAGES) == 3
    assert new.space.fault_signal(new.mm, B + P, False) == p.SIGSEGV
    child = new.fork()
    assert child.space.fault_signal(child.mm, B + P, True) == p.SIGSEGV
    assert new.advise(1, 2, c.MADV_GUARD_REMOVE) == 0
    assert new.space.fault_signal(new.mm, B + P, True) == 0
    new.check()


@pytest.mark.parametrize(
    ("done", "areas"),
    [
        ("guard 0, write 3", {"anonymous": 2, "file": 1}),
        ("write 0, guard 3", {"anonymous": 2, "file": 1}),
        ("write 0, write 3", {"anonymous": 2, "file": 2}),
        ("guard 0, guard 3", {"anonymous": 2, "file": 1}),
        ("guard 0, guard 3, write 1, write 2", {"anonymous": 2, "file": 2}),
    ],
)
@pytest.mark.parametrize("memory", ["anonymous", "file"])
def test_guards_give_anonymous_areas_an_anon_vma(
    new: World, memory: str, done: str, areas: dict[str, int]
) -> None:
    """Two areas with anon_vmas of their own do not join; asked on 6.18.44 (seed 16017403)."""
    file = new.space.open_file("/a", 8, 1, 7, 2) if memory == "file" else 0
    new.map(0, 4, flags=c.MAP_PRIVATE | c.MAP_FIXED | (0 if file else c.MAP_ANONYMOUS), file=file)
    new.advise(2, 4, c.MADV_DONTFORK)
    for step in done.split(", "):
        what, page = step.split()
        if what == "guard":
            assert new.advise(int(page), int(page) + 1, c.MADV_GUARD_INSTALL) == 0
        else:
            new.write(int(page), int(page) + 1)
    new.advise(2, 4, c.MADV_DOFORK)
    assert len(new.ranges()) == areas[memory]
    new.check()


def test_an_area_that_may_have_guards_is_copied_at_fork(new: World) -> None:
    """VM_MAYBE_GUARD is enough, without an anon_vma and a single entry (seed 10003284 on 6.18)."""
    new.map(0, 4)
    assert new.advise(1, 2, c.MADV_GUARD_INSTALL) == 0
    assert new.space.sys_mremap(new.mm, B, 4 * P, 4 * P, MOVE_AND_KEEP, 0) > 0
    assert new.vma(0).get("anon_vma") == 0
    child = new.fork()
    assert child.space.pgtables_bytes(child.mm) == new.space.pgtables_bytes(new.mm)
    new.check()


# Huge pages.
