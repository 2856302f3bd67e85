"""The OOM killer's view of the processes, and its reaper.

A victim's own threads are the record's business: what happens here is what ``oom_reaper`` does at
once, which is to take away the pages that only the victim can have written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmtwin.machine.pids import Pids
from mmtwin.pages.gfp_request import OOM_VICTIM
from mmtwin.pages.oom import OomTask
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space.space import Space

MMF_OOM_SKIP = 1 << 21
"""Bit of ``mm->flags``: nothing is left to gain here."""
INIT_PID = 1


class OomVictims:
    """Implements :class:`mmtwin.pages.oom.OomHook` for the processes of a twin.

    ``running`` is the thread whose call is being carried out, 0 if none is: its own memory is
    reaped only when the call has returned, for the call may hold mmap_lock. ``report`` holds what
    the kernel printed last.
    """

    def __init__(self, space: Space, pids: Pids) -> None:
        self.space = space
        self.pids = pids
        self.mm_at = space.layouts.task_struct.offset("mm")
        self.running = 0
        self.report: list[str] = []

    def _processes(self) -> Iterator[tuple[int, int]]:
        """Thread id and address space, each address space once, oldest thread first."""
        seen = set()
        for pid, task in self.pids:
            mm = self.space.memory.load(task + self.mm_at)
            if mm and mm not in seen:
                seen.add(mm)
                yield pid, mm

    def _running_mm(self) -> int:
        task = self.pids.find(self.running) if self.running else 0
        return self.space.memory.load(task + self.mm_at) if task else 0

    def oom_tasks(self) -> Sequence[OomTask]:
        """The processes that have an address space; init is not to be killed."""
        space = self.space
        running = self._running_mm()
        return [
            OomTask(
                pid,
                f"thread-{pid}",
                space.total_vm(mm),
                anon_rss=space.rss(mm, p.MM_ANONPAGES),
                file_rss=space.rss(mm, p.MM_FILEPAGES),
                shmem_rss=space.rss(mm, p.MM_SHMEMPAGES),
                swapents=space.rss(mm, p.MM_SWAPENTS),
                pgtables_bytes=space.pgtables_bytes(mm),
                unkillable=pid == INIT_PID or bool(space.mm_flags(mm) & MMF_OOM_SKIP),
                current=mm == running,
            )
            for pid, mm in self._processes()
        ]

    def oom_kill(self, victim: OomTask) -> None:
        """Reap the victim's memory; if it is the one that runs, let it use the reserves first."""
        if victim.current:
            if self.space.pages is not None:
                self.space.pages.current |= OOM_VICTIM
            return
        task = self.pids.find(victim.pid)
        self.reap(self.space.memory.load(task + self.mm_at))

    def oom_report(self, lines: Sequence[str]) -> None:
        """Keep what the kernel prints."""
        self.report = list(lines)

    def step_ends(self) -> None:
        """A call has returned: a victim that was running is reaped now."""
        pages = self.space.pages
        if pages is not None and pages.current & OOM_VICTIM:
            pages.current &= ~OOM_VICTIM
            if mm := self._running_mm():
                self.reap(mm)

    def reap(self, mm: int) -> None:
        """``__oom_reap_task_mm``: drop anonymous pages, and private ones of files."""
        space = self.space
        space.set_mm_flags(mm, space.mm_flags(mm) | MMF_OOM_SKIP)
        vma = space.find_vma(mm, 0)
        while vma:
            end = space.vm_end(vma)
            if space.vma_is_anonymous(vma) or not space.vm_flags(vma) & c.VM_SHARED:
                space.zap_page_range(vma, space.vm_start(vma), end)
            vma = space.find_vma(mm, end)
