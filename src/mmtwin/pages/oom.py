"""The OOM killer: when memory is out, which process has to go, and what the kernel says about it.

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

    def line(self) -> str:
        """Its line in the report's table."""
        return (
            f"[{self.pid:7d}] {self.uid:5d} {self.tgid or self.pid:5d} {self.total_vm:8d}"
            f" {self.rss:8d} {self.pgtables_bytes:8d} {self.swapents:8d}"
            f"         {self.oom_score_adj:5d} {self.comm}"
        )

    def killed(self, message: str) -> str:
        """The line that tells of its end."""
        return (
            f"{message}: Killed process {self.pid} ({self.comm}) total-vm:{self.total_vm * 4}kB,"
            f" anon-rss:{self.anon_rss * 4}kB, file-rss:{self.file_rss * 4}kB,"
            f" shmem-rss:{self.shmem_rss * 4}kB, UID:{self.uid}"
            f" pgtables:{self.pgtables_bytes // 1024}kB oom_score_adj:{self.oom_score_adj}"
        )


class OomHook(Protocol):
    """Whoever knows the processes."""

    def oom_tasks(self) -> Sequence[OomTask]:
        """The processes that have an address space, oldest first."""

    def oom_kill(self, victim: OomTask) -> None:
        """Kill the process. What it can give back at once is free when this returns."""

    def oom_report(self, lines: Sequence[str]) -> None:
        """What the kernel prints; the memory report stands after the first line in kernels."""


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
        header = self.oom_header(gfp, order, current, tasks)
        if victim is None:
            hook.oom_report([*header, "Out of memory and no killable processes..."])
            raise KernelBug("System is deadlocked on memory", "out_of_memory")
        if victim.victim:
            return True
        summary = (
            "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0"
            f",global_oom,task_memcg=/,task={victim.comm},pid={victim.pid},uid={victim.uid}"
        )
        hook.oom_report([*header, summary, victim.killed(message)])
        self.count_vm_event("oom_kill")
        hook.oom_kill(victim)
        return True

    def oom_header(
        self, gfp: int, order: int, current: OomTask | None, tasks: Sequence[OomTask]
    ) -> list[str]:
        """Who asked for what, and the table of processes."""
        comm = current.comm if current is not None else "swapper/0"
        adj = current.oom_score_adj if current is not None else 0
        asked = f"gfp_mask={gfp:#x}({self.era.gfp.text(gfp)}), order={order}"
        return [
            f"{comm} invoked oom-killer: {asked}, oom_score_adj={adj}",
            "Tasks state (memory values in pages):",
            "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name",
            *(task.line() for task in tasks if not task.unkillable),
        ]
