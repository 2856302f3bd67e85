"""Programs come and go: what their VMAs, nodes and page tables took comes back."""

import pytest

from mmtwin.check.checker import Checker
from mmtwin.machine.profile import profile
from mmtwin.space import flags
from mmtwin.twin import Twin
from modes import COMPILED

BASE = 0x10000000
RW = flags.PROT_READ | flags.PROT_WRITE
ANON = flags.MAP_PRIVATE | flags.MAP_ANONYMOUS | flags.MAP_FIXED | flags.MAP_NORESERVE
AREAS = 600
BACK = 1000
"""Pages at least: 640 of data and page tables, the rest were slabs."""
KERNELS = pytest.mark.parametrize("kernel", ["6.1", "6.18"])


def process(twin: Twin, pid: int, parent: int = 0) -> int:
    """The address space of a new process, a copy of ``parent``'s if that is not 0."""
    if not parent:
        return twin.new_process(pid)[1]
    task = twin.space.task_alloc(0)
    mm = twin.space.dup_mmap(parent, task)
    assert mm > 0
    twin.memory.store(task + twin.layouts.task_struct.offset("mm"), mm)
    twin.pids.add(pid, task)
    return mm


def free(twin: Twin) -> int:
    twin.pages.drain_all_pages(0)
    return sum(twin.pages.nr_free_pages(zone) for zone in twin.pages.populated_zones())


def crowd(twin: Twin, mm: int) -> None:
    """Many small areas that do not merge, one page of each written."""
    for nth in range(AREAS):
        at = BASE + (nth << 13)
        assert twin.space.sys_mmap(mm, at, 4096, RW, ANON, 0, 0) == at
        assert twin.space.touch(mm, at, 4096, True) == 0


@KERNELS
def test_a_storm_of_forks_and_exits_costs_no_memory_in_the_end(kernel: str) -> None:
    twin = Twin(profile(kernel), ram=64 << 20)
    checker = Checker(twin)
    mm = process(twin, 10)
    after: list[int] = []
    for _ in range(4 if COMPILED else 2):
        crowd(twin, mm)
        children = [process(twin, 11 + nth, mm) for nth in range(6)]
        twin.begin_step()
        busy = free(twin)
        assert not checker.full()
        for nth, child in enumerate(children):
            twin.space.mmput(child)
            twin.pids.remove(11 + nth)
        assert twin.space.sys_munmap(mm, BASE, AREAS << 13) == 0
        twin.begin_step()
        twin.begin_step()
        after.append(free(twin))
        assert after[-1] > busy + BACK
        assert not checker.full()
    assert after[-1] >= after[0] - 2, "tasks are not freed here"
