"""The OOM killer's view of the processes, and its reaper.

A victim's own threads are the record's business: what happens here is what ``oom_reaper`` does at
once, which is to take away the pages that only the victim can have written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmtwin.machine.pids import Pids
from mmtwin.pages.gfp_request import OOM_VICTIM
from mmtwin.pages.oom import OomEvent, OomTask
from mmtwin.space import flags as c
from mmtwin.space.space import Space

MMF_OOM_SKIP = 1 << 21
"""Bit of ``mm->flags``: nothing is left to gain here."""
INIT_PID = 1


class OomVictims:
    """Implements :class:`mmtwin.pages.oom.OomHook` for the processes of a twin.

    ``running`` is the thread whose call is being carried out, 0 if none is: its own memory is
    reaped only when the call has returned, for the call may hold mmap_lock. ``report`` holds what
    the kernel printed of the last kill, ``failure`` of the last request that failed.
    """

    def __init__(self, space: Space, pids: Pids) -> None:
        self.space = space
        self.pids = pids
        self.mm_at = space.layouts.task_struct.offset("mm")
        self.running = 0
        self.report: list[str] = []
        self.failure: list[str] = []

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
        running = self._running_mm()
        return [self._task(pid, mm, mm == running) for pid, mm in self._processes()]

    def _task(self, pid: int, mm: int, current: bool) -> OomTask:
        view = self.space.view("mm_struct", mm)
        return OomTask(
            pid,
            f"thread-{pid}",
            view.get("total_vm"),
            anon_rss=view.get("rss_stat_1"),
            file_rss=view.get("rss_stat"),
            shmem_rss=view.get("rss_stat_3"),
            swapents=view.get("rss_stat_2"),
            pgtables_bytes=view.get("pgtables_bytes"),
            unkillable=pid == INIT_PID or bool(view.get("flags") & MMF_OOM_SKIP),
            current=current,
        )

    def oom_kill(self, victim: OomTask) -> None:
        """Reap the victim's memory; if it is the one that runs, let it use the reserves first."""
        if victim.current:
            if self.space.pages is not None:
                self.space.pages.current |= OOM_VICTIM
            return
        task = self.pids.find(victim.pid)
        self.reap(self.space.memory.load(task + self.mm_at))

    def oom_report(self, event: OomEvent) -> None:
        """Keep what the kernel prints."""
        from mmtwin.pages import oom_report  # its patterns take 20 ms to compile

        assert self.space.pages is not None
        report = oom_report.report(self.space.pages, event)
        self.report = oom_report.text(report).splitlines()

    def on_failure(self, gfp: int, order: int) -> None:
        """Keep what the kernel prints of a request that failed without ``__GFP_NOWARN``."""
        from mmtwin.pages import oom_report

        assert self.space.pages is not None
        comm = f"thread-{self.running}" if self.running else "swapper/0"
        failed = oom_report.failure_report(self.space.pages, gfp, order, comm)
        self.failure = oom_report.failure_text(failed).splitlines()

    def step_ends(self) -> None:
        """A call has returned: a victim that was running is reaped now."""
        pages = self.space.pages
        if pages is not None and pages.current & OOM_VICTIM:
            pages.current &= ~OOM_VICTIM
            if mm := self._running_mm():
                self.reap(mm)

    def reap(self, mm: int) -> None:
        """``__oom_reap_task_mm``: drop anonymous pages, and private ones of files; no huge ones."""
        space = self.space
        view = space.view("mm_struct", mm)
        view.flags = view.get("flags") | MMF_OOM_SKIP
        vma = space.find_vma(mm, 0)
        while vma:
            area = space.view("vm_area_struct", vma)
            vm_flags = area.get("vm_flags")
            kept = vm_flags & (c.VM_HUGETLB | c.VM_PFNMAP)
            if not kept and (not area.get("vm_ops") or not vm_flags & c.VM_SHARED):
                space.zap_page_range(vma, area.get("vm_start"), area.get("vm_end"))
            vma = space.find_vma(mm, area.get("vm_end"))
