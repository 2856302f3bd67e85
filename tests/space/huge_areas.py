"""Areas that are to become huge pages, and what /proc tells of them."""

from __future__ import annotations

from world import B, P, World

from mmtwin.space import flags as c

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
