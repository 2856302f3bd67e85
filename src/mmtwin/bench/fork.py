"""How long a fork takes: the copy of an address space of many areas, and of a page in each."""

from __future__ import annotations

import time
from collections.abc import Iterator

from mmtwin.machine.profile import PROFILES
from mmtwin.space import flags as c
from mmtwin.twin import Twin

AREAS = 10_000
ROUNDS = 5
BASE = 0x100_0000_0000
PAGE = c.PAGE_SIZE
FLAGS = c.MAP_PRIVATE | c.MAP_ANONYMOUS | c.MAP_FIXED


def fork_milliseconds(name: str, areas: int, touched: bool) -> float:
    """Processor time of the fastest of some forks of a process with ``areas`` areas.

    Each is one page with its neighbours apart; ``touched``: each was written to.
    """
    twin = Twin(PROFILES[name])
    space = twin.space
    task, mm = twin.new_process(1)
    for nth in range(areas):
        at = BASE + 2 * PAGE * nth
        if space.sys_mmap(mm, at, PAGE, c.PROT_READ | c.PROT_WRITE, FLAGS, 0, 0) != at:
            raise RuntimeError("an area could not be mapped")
        if touched:
            space.touch(mm, at, PAGE, True)
        twin.begin_step()
    times = []
    for _ in range(ROUNDS):
        mark = twin.begin_step()
        started = time.process_time()
        copy = space.dup_mmap(mm, space.task_alloc(task))
        times.append(time.process_time() - started)
        if copy < 0:
            raise RuntimeError("the copy failed")
        twin.memory.rewind(mark)
    return 1000 * min(times)


def rows(areas: int = AREAS) -> Iterator[dict[str, object]]:
    """For each kernel the milliseconds of a fork, with untouched areas and with written ones."""
    for name in ("6.1", "6.18"):
        yield {
            "profile": name,
            "areas": areas,
            "untouched_ms": round(fork_milliseconds(name, areas, False), 1),
            "written_ms": round(fork_milliseconds(name, areas, True), 1),
        }
