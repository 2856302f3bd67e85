"""A guest whose page allocator is recorded: a dump before and after, and every event between."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mmtwin.kernels.host.build import AgentError
from mmtwin.kernels.host.wire import Report
from mmtwin.kernels.pages.dump import Dump
from mmtwin.kernels.pages.recording import ISOLATE, KINDS, NAMES, PUTBACK, Recording
from mmtwin.kernels.pages.ring import Format, events
from mmtwin.kernels.pages.workload import Workload
from mmtwin.kernels.qemu.guests import guest
from mmtwin.kernels.qemu.kernel import QemuKernel
from mmtwin.kernels.qemu.monitor import Monitor
from mmtwin.kernels.qemu.packages import find_vmlinux

TRACING = "/sys/kernel/tracing"
BUFFER_KBYTES_EACH = 0.075
"""What an event takes in the trace buffer, generously."""
DIRECT = "p:kprobes/direct {} pfn=%dx order=%cx\n"
"""Where a page is freed past the per-cpu lists, for somebody holds their lock."""
DIRECT_NAMES = ("free_one_page", "free_one_page.constprop.0", "free_one_page.isra.0")
"""What the compiler may have made of that function's name."""
PROBES = """p:kprobes/bulk __alloc_pages_bulk gfp=%di nr=%cx
r:kprobes/bulk_ret __alloc_pages_bulk got=$retval
p:kprobes/isolate __isolate_free_page page=%di order=%si
r:kprobes/isolate_ret __isolate_free_page got=$retval
p:kprobes/putback __putback_isolated_page page=%di order=%si migratetype=%dx
"""
TEXTS = ("buddyinfo", "pagetypeinfo")
EVENTS_EACH = 3.5
"""Events for each chunk that is asked for or given back: refills and drains are traced as well."""
FILL = 0.9
"""Of the free pages at the start, what the workload may take: reclaim stays out of it."""
STEPS_BETWEEN_LOOKS = 20
"""Of the workload, between two looks at how many events there are."""


class PageGuest(QemuKernel):
    """A guest with the page allocator's tracepoints; its memory can be dumped at any moment."""

    def __init__(self, megabytes: int) -> None:
        kind = guest("x86_64")
        self.vmlinux = find_vmlinux(kind)
        self._dumps = tempfile.TemporaryDirectory(prefix="mmtwin-dump-")
        super().__init__(kind, inspect=True, megabytes=megabytes)
        try:
            self.monitor = Monitor(self.qmp)
            self._mount("tracefs", TRACING)
        except AgentError:
            self.close()
            raise
        self.kernel = self.read_text("/proc/version").split()[2]

    def close(self) -> None:
        """Switch the guest off."""
        super().close()
        self._dumps.cleanup()

    def _mount(self, kind: str, place: str) -> None:
        name = kind.encode() + b"\0"
        payload = name + place.encode() + b"\0"
        self._controller("mount", 0, len(name), 0, 0, 0, pointers=0b111, payload=payload)

    def trace(self, kbytes: int) -> None:
        """Begin to record events into a buffer of so many kbytes."""
        self.write_text(f"{TRACING}/buffer_size_kb", str(kbytes))
        self.write_text(f"{TRACING}/kprobe_events", PROBES)
        self._probe_direct()
        for name in NAMES:
            self.write_text(f"{TRACING}/events/{self._group(name)}/{name}/enable", "1")
        self.write_text(f"{TRACING}/tracing_on", "1")

    def _probe_direct(self) -> None:
        for name in DIRECT_NAMES:
            try:
                self.write_text(f"{TRACING}/kprobe_events", DIRECT.format(name), append=True)
            except AgentError:
                continue
            return
        raise AgentError(f"{self.kernel} has no {DIRECT_NAMES[0]} that can be probed")

    def _group(self, name: str) -> str:
        return "kmem" if name.startswith("mm_page_") else "kprobes"

    def entries(self) -> int:
        """How many events the trace buffer holds now."""
        for line in self.read_text(f"{TRACING}/per_cpu/cpu0/stats").splitlines():
            if line.startswith("entries:"):
                return int(line.split()[1])
        raise AgentError("the trace buffer does not say how much it holds")

    def look(self) -> Dump:
        """The guest's memory as it is now. The guest is stopped meanwhile."""
        path = Path(self._dumps.name) / "dump"
        self.monitor.stop()
        try:
            path.unlink(missing_ok=True)
            self.monitor.dump(path)
        finally:
            self.monitor.go_on()
        return Dump(path, self.vmlinux)

    def formats(self) -> list[Format]:
        """Where the fields of the recorded events lie."""
        return [
            Format.parse(self.read_text(f"{TRACING}/events/{self._group(name)}/{name}/format"))
            for name in NAMES
        ]


def record(count: int, seed: int, megabytes: int, fill: float = FILL) -> Recording:
    """Run a workload in a fresh guest until ``count`` chunks were asked for or given back.

    Raises AgentError if the guest, its kernel or its debug information is not here.
    """
    with PageGuest(megabytes) as machine:
        machine.trace(int(count * EVENTS_EACH * 1.5 * BUFFER_KBYTES_EACH) + 4096)
        formats = machine.formats()
        for slot in range(1, 6):
            machine.spawn(slot)
        dump = machine.look()
        before, start = dump.events(), dump.pages()
        budget = int(fill * sum(zone.free_pages for zone in start.zones))
        until = before + count * EVENTS_EACH
        for number, calls in enumerate(Workload(seed, budget)):
            machine.carry_out(calls, Report.NONE)
            if number % STEPS_BETWEEN_LOOKS == 0 and machine.entries() >= until:
                break
        texts, marks = {}, {}
        for name in TEXTS:
            texts[name] = machine.read_text(f"/proc/{name}")
            marks[name] = machine.entries() - before
        dump = machine.look()
        after, end = dump.events(), dump.pages()
        kernel = machine.kernel
        pages = dump.trace()
    recorded = []
    for number, (name, _, fields) in enumerate(events(pages, formats)):
        if before <= number < after and name in KINDS:
            kind = NAMES.index(name)
            if kind in (ISOLATE, PUTBACK):
                fields["pfn"] = (fields["page"] - dump.vmemmap) // dump.page_size
            recorded.append([kind, *(_signed(fields[one]) for one in KINDS[name])])
    return Recording(kernel, start, recorded, end, texts, marks)


def _signed(value: int) -> int:
    """-1 as the kernel writes it in an unsigned field: no page."""
    return -1 if value == (1 << 64) - 1 else value
