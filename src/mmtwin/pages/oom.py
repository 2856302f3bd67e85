"""The OOM killer: when memory is out, and which process has to go.

The processes are floor 4's; an :class:`OomHook` tells about them and kills.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cython import int as i32
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug
from mmtwin.memory.memory import Memory
from mmtwin.pages import layouts as c
from mmtwin.pages.era import PageEra
from mmtwin.pages.kswapd import Kswapd
from mmtwin.pages.zone import ZoneSpec

OOM_SCORE_ADJ_MIN = -1000
OOM_SCORE_ADJ_MAX = 1000
PAGE_SIZE = 4096


@dataclass(frozen=True, slots=True)
class OomTask:
    """A process as the OOM killer sees it. Sizes are pages, ``pgtables_bytes`` bytes.

    ``unkillable`` is init, a kernel thread, or one whose memory was reaped already; ``victim``
    one that was killed and still has memory to give back. ``current`` is the one that asked.
    """

    pid: int
    comm: str
    total_vm: int = 0
    anon_rss: int = 0
    file_rss: int = 0
    shmem_rss: int = 0
    swapents: int = 0
    pgtables_bytes: int = 0
    uid: int = 0
    tgid: int = 0
    oom_score_adj: int = 0
    unkillable: bool = False
    victim: bool = False
    current: bool = False

    @property
    def rss(self) -> int:
        """Resident pages."""
        return self.anon_rss + self.file_rss + self.shmem_rss


@dataclass(frozen=True, slots=True)
class OomEvent:
    """What happened: who asked for what, which processes there are, and who has to go.

    ``victim`` is None if nobody may be killed. ``message`` says why it was chosen, ``totalpages``
    is memory and swap in pages.
    """

    gfp: int
    order: int
    comm: str
    oom_score_adj: int
    tasks: Sequence[OomTask]
    victim: OomTask | None
    message: str
    totalpages: int


class OomHook(Protocol):
    """Whoever knows the processes."""

    def oom_tasks(self) -> Sequence[OomTask]:
        """The processes that have an address space, oldest first."""

    def oom_kill(self, victim: OomTask) -> None:
        """Kill the process. What it can give back at once is free when this returns."""

    def oom_report(self, event: OomEvent) -> None:
        """The kernel prints its report (``oom_report.report``), before anything is killed."""


def oom_badness(task: OomTask, totalpages: int) -> int | None:
    """How much killing the process would free, in pages, shifted by its oom_score_adj.

    None if it must not be killed.
    """
    if task.unkillable or task.oom_score_adj == OOM_SCORE_ADJ_MIN:
        return None
    points = task.rss + task.swapents + task.pgtables_bytes // PAGE_SIZE
    return points + task.oom_score_adj * (totalpages // 1000)


def select_bad_process(tasks: Sequence[OomTask], totalpages: int) -> OomTask | None:
    """The process with most badness, the younger of two alike; None if none may be killed.

    A victim that still has memory is given: it is waited for.
    """
    chosen: OomTask | None = None
    most = -(1 << 62)
    for task in tasks:
        if task.victim and not task.unkillable:
            return task
        points = oom_badness(task, totalpages)
        if points is not None and points >= most:
            chosen, most = task, points
    return chosen


class Oom(Kswapd):
    """``out_of_memory``. Without a hook the killer is disabled, and requests fail instead."""

    def __init__(
        self,
        memory: Memory,
        era: PageEra,
        memmap: u64,
        frames: u64,
        specs: Sequence[ZoneSpec],
        cpus: i32,
    ) -> None:
        super().__init__(memory, era, memmap, frames, specs, cpus)
        self.oom_hook: OomHook | None = None

    def totalram_pages(self) -> int:
        """Managed pages of all zones."""
        return sum(self.managed_pages(zone) for zone in self.populated_zones())

    def out_of_memory(self, gfp: int, order: int) -> bool:
        """Kill a process; True if that, or waiting for one, may help.

        :class:`KernelBug` (a panic) if nobody can be killed, or vm.panic_on_oom asks for it.
        """
        hook = self.oom_hook
        if hook is None:
            return False
        if not gfp & self.gfp_fs:
            return True
        tasks = hook.oom_tasks()
        totalpages = self.totalram_pages() + self.total_swap_pages()
        current = next((task for task in tasks if task.current), None)
        if self.memory.load(self.sysctl + c.SYSCTL_PANIC_ON_OOM):
            raise KernelBug("Out of memory: system-wide panic_on_oom is enabled", "out_of_memory")
        message = "Out of memory"
        victim = select_bad_process(tasks, totalpages)
        if (
            self.memory.load(self.sysctl + c.SYSCTL_OOM_KILL_ALLOCATING_TASK)
            and current is not None
            and oom_badness(current, totalpages) is not None
        ):
            victim, message = current, "Out of memory (oom_kill_allocating_task)"
        if victim is not None and victim.victim:
            return True
        hook.oom_report(
            OomEvent(
                gfp,
                order,
                current.comm if current is not None else "swapper/0",
                current.oom_score_adj if current is not None else 0,
                [task for task in tasks if not task.unkillable],
                victim,
                message,
                totalpages,
            )
        )
        if victim is None:
            raise KernelBug("System is deadlocked on memory", "out_of_memory")
        self.count_vm_event("oom_kill")
        hook.oom_kill(victim)
        return True
