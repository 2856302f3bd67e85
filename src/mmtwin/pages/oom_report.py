"""The OOM killer's report and the page-allocation-failure report: read from a log, and written.

Both hold a Mem-Info. Lines that belong to neither (registers, the call trace) are kept as they
are, so that a report that was read is written as it was, a log's times aside.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mmtwin.pages import meminfo
from mmtwin.pages.buddyinfo import BadText
from mmtwin.pages.meminfo import Failure, MemInfo

LINES_READ_MAX = 100_000
TASKS_TITLE = "Tasks state (memory values in pages):"
TASKS_HEAD = "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name"
TASKS_HEAD_315 = "[ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name"

_STAMP = re.compile(r"^(?:<\d+>)?\[ *\d+\.\d+\](?:\[[^\]]*\])? ?")
_ASKED = re.compile(
    r"(?P<comm>.+) invoked oom-killer: gfp_mask=(?P<mode>0x[0-9a-f]{1,16})"
    r"(?:\((?P<names>[^)]*)\))?,(?: nodemask=(?P<nodemask>[^\s,]+),)?"
    r" order=(?P<order>-?\d{1,4}), oom_score_adj=(?P<adj>-?\d{1,5})$"
)
_TASK = re.compile(
    r"\[ *(\d{1,10})\] +(\d{1,10}) +(\d{1,10}) +(\d{1,18}) +(\d{1,18}) +(\d{1,18}) +(\d{1,18})"
    r" +(-?\d{1,5}) (.*)$"
)
_KILLED = re.compile(
    r"(?P<message>(?:Memory cgroup )?[Oo]ut of memory[^:]*): Kill(?:ed)? process (?P<pid>\d{1,10})"
    r" \((?P<comm>.*?)\)(?P<rest>.*)$"
)


@dataclass(frozen=True, slots=True)
class TaskLine:
    """One process in the table. Sizes are pages; ``pgtables`` bytes, up to 4.14 a count of them."""

    pid: int
    uid: int
    tgid: int
    total_vm: int
    rss: int
    pgtables: int
    swapents: int
    oom_score_adj: int
    comm: str

    def text(self, old: bool) -> str:
        """The line as kernels print it; ``old`` is 3.15's form."""
        if old:
            return (
                f"[{self.pid:5d}] {self.uid:5d} {self.tgid:5d} {self.total_vm:8d} {self.rss:8d}"
                f" {self.pgtables:7d} {self.swapents:8d}         {self.oom_score_adj:5d}"
                f" {self.comm}"
            )
        return (
            f"[{self.pid:7d}] {self.uid:5d} {self.tgid:5d} {self.total_vm:8d} {self.rss:8d}"
            f" {self.pgtables:8d} {self.swapents:8d}         {self.oom_score_adj:5d} {self.comm}"
        )


@dataclass(slots=True)
class OomReport:
    """Who asked for what, what memory was like, who there was, and who had to go.

    ``context`` are the lines between the first and Mem-Info; ``summary`` the fields of the line
    ``oom-kill:``, which 3.15 does not print; ``killed`` the last line.
    """

    comm: str
    mode: int
    names: str
    order: int
    oom_score_adj: int
    memory: MemInfo
    nodemask: str = ""
    context: list[str] = field(default_factory=list)
    tasks: list[TaskLine] = field(default_factory=list)
    summary: dict[str, str] = field(default_factory=dict)
    killed: str = ""
    old: bool = False

    @property
    def victim(self) -> int | None:
        """The process that was killed; None if nobody was."""
        match = _KILLED.match(self.killed)
        return int(match["pid"]) if match else None


@dataclass(slots=True)
class FailureReport:
    """A page allocation failure with its Mem-Info."""

    failure: Failure
    memory: MemInfo
    context: list[str] = field(default_factory=list)


def text(report: OomReport) -> str:
    """The report as kernels print it."""
    names = f"({report.names})" if report.names else ""
    mask = f" nodemask={report.nodemask}," if report.nodemask else ""
    asked = (
        f"{report.comm} invoked oom-killer: gfp_mask={report.mode:#x}{names},{mask}"
        f" order={report.order}, oom_score_adj={report.oom_score_adj}"
    )
    lines = [
        asked,
        *report.context,
        *meminfo.text(report.memory).splitlines(),
    ]
    lines += [TASKS_HEAD_315] if report.old else [TASKS_TITLE, TASKS_HEAD]
    lines += [task.text(report.old) for task in report.tasks]
    if report.summary:
        fields = (f"{name}={value}" if value else name for name, value in report.summary.items())
        lines.append("oom-kill:" + ",".join(fields))
    if report.killed:
        lines.append(report.killed)
    return "\n".join(lines) + "\n"


def failure_text(report: FailureReport) -> str:
    """The report as kernels print it."""
    head = "\n".join([str(report.failure), *report.context])
    return f"{head}\n{meminfo.text(report.memory)}"


def _lines(content: str) -> list[str]:
    lines = content.splitlines()
    if len(lines) > LINES_READ_MAX:
        raise BadText(f"a log of more than {LINES_READ_MAX} lines")
    return [_STAMP.sub("", line) for line in lines]


def _memory_at(lines: list[str], start: int, what: str) -> int:
    for number in range(start, len(lines)):
        if lines[number].rstrip() == "Mem-Info:":
            return number
    raise BadText(f"{what}, line {start}: no Mem-Info follows")


def parse(content: str) -> OomReport:
    """The first OOM report in a log; :class:`BadText` if there is none or it is cut off."""
    lines = _lines(content)
    for number, line in enumerate(lines):
        if asked := _ASKED.match(line):
            return _parse(lines, number, asked)
    raise BadText("no line says that the oom-killer was invoked")


def _parse(lines: list[str], start: int, asked: re.Match[str]) -> OomReport:
    begin = _memory_at(lines, start + 1, "OOM report")
    end = next(
        (
            number
            for number in range(begin, len(lines))
            if lines[number].startswith((TASKS_TITLE, TASKS_HEAD_315))
        ),
        None,
    )
    if end is None:
        raise BadText(f"OOM report, line {begin + 1}: it ends within Mem-Info")
    report = OomReport(
        asked["comm"],
        int(asked["mode"], 16),
        asked["names"] or "",
        int(asked["order"]),
        int(asked["adj"]),
        meminfo.parse("\n".join(lines[begin:end])),
        asked["nodemask"] or "",
        lines[start + 1 : begin],
        old=lines[end].startswith(TASKS_HEAD_315),
    )
    for number in range(end + 1, len(lines)):
        line = lines[number]
        if task := _TASK.match(line):
            pid, uid, tgid, total, rss, pgtables, swapents, adj = map(int, task.groups()[:8])
            report.tasks.append(
                TaskLine(pid, uid, tgid, total, rss, pgtables, swapents, adj, task[9])
            )
        elif line.startswith("oom-kill:"):
            for part in line.removeprefix("oom-kill:").split(","):
                name, _, value = part.partition("=")
                report.summary[name] = value
        elif _KILLED.match(line):
            report.killed = line
            return report
        elif line.startswith("Out of memory and no killable"):
            return report
        elif line != TASKS_HEAD:
            raise BadText(f"OOM report, line {number + 1}: {line[:60]!r} is no process")
    raise BadText("the OOM report ends before anybody was killed")


def parse_failure(content: str) -> FailureReport:
    """The first allocation failure in a log; :class:`BadText` if there is none or it is cut off."""
    lines = _lines(content)
    for number, line in enumerate(lines):
        if ": page allocation failure:" in line:
            begin = _memory_at(lines, number + 1, "page allocation failure")
            end = next(
                (
                    nth + 1
                    for nth in range(begin, len(lines))
                    if re.match(r"\d+ pages reserved$", lines[nth])
                ),
                None,
            )
            if end is None:
                raise BadText(f"page allocation failure, line {begin + 1}: Mem-Info is cut off")
            while end < len(lines) and re.match(
                r"\d+ pages (cma reserved|hwpoisoned)$", lines[end]
            ):
                end += 1
            memory = meminfo.parse("\n".join(lines[begin:end]))
            context = lines[number + 1 : begin]
            return FailureReport(meminfo.parse_failure(line), memory, context)
    raise BadText("no line reports a page allocation failure")
