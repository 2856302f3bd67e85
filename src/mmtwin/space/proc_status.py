"""The lines of /proc/PID/status that tell of memory, and /proc/PID/statm.

``task_mem`` and ``task_statm``, fs/proc/task_mmu.c.
"""

from __future__ import annotations

from mmtwin.space import pte_bits as p
from mmtwin.space.proc_smaps import ProcSmaps


class ProcStatus(ProcSmaps):
    """``task_mem``."""

    def text_pages(self, mm: int) -> int:
        """Pages of the program's own code."""
        end = (self.end_code(mm) + self.page_size - 1) & self.page_mask
        return (end - (self.start_code(mm) & self.page_mask)) >> self.page_shift

    def proc_status(self, mm: int) -> str:
        """The lines from VmPeak to HugetlbPages."""
        total = self.total_vm(mm)
        resident = self.mm_rss(mm)
        text = min(self.text_pages(mm), self.exec_vm(mm))
        pages = [
            ("VmPeak", max(self.hiwater_vm(mm), total)),
            ("VmSize", total),
            ("VmLck", self.locked_vm(mm)),
            ("VmPin", self.view("mm_struct", mm).get("pinned_vm")),
            ("VmHWM", max(self.view("mm_struct", mm).get("hiwater_rss"), resident)),
            ("VmRSS", resident),
            ("RssAnon", self.rss(mm, p.MM_ANONPAGES)),
            ("RssFile", self.rss(mm, p.MM_FILEPAGES)),
            ("RssShmem", self.rss(mm, p.MM_SHMEMPAGES)),
            ("VmData", self.data_vm(mm)),
            ("VmStk", self.stack_vm(mm)),
            ("VmExe", text),
            ("VmLib", self.exec_vm(mm) - text),
            ("VmSwap", self.rss(mm, p.MM_SWAPENTS)),
        ]
        sizes = [(name, count << self.page_shift) for name, count in pages]
        sizes.insert(-1, ("VmPTE", self.pgtables_bytes(mm)))
        sizes.append(("HugetlbPages", self.huge.usage(mm) << self.page_shift))
        return "".join(f"{name}:\t{size >> 10:>8} kB\n" for name, size in sizes)

    def proc_statm(self, mm: int) -> str:
        """/proc/PID/statm: pages in all, resident, shared, of code, 0, of data and stack, 0."""
        shared = self.rss(mm, p.MM_FILEPAGES) + self.rss(mm, p.MM_SHMEMPAGES)
        resident = shared + self.rss(mm, p.MM_ANONPAGES)
        data = self.data_vm(mm) + self.stack_vm(mm)
        return f"{self.total_vm(mm)} {resident} {shared} {self.text_pages(mm)} 0 {data} 0\n"
