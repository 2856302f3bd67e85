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
from mmtwin.pages.oom import PAGE_SIZE, OomEvent, OomTask, oom_badness
from mmtwin.pages.pages import Pages

LINES_READ_MAX = 100_000
NOBODY = "Out of memory and no killable processes..."
TASKS_TITLE = "Tasks state (memory values in pages):"
TASKS_HEAD = "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name"
TASKS_HEAD_68 = (
    "[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents"
    " oom_score_adj name"
)
"""Since 6.8."""
TASKS_HEAD_315 = "[ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name"

_STAMP = re.compile(r"^(?:<\d+>)?\[ *\d+\.\d+\](?:\[[^\]]*\])? ?")
_ASKED = re.compile(
    r"(?P<comm>.+) invoked oom-killer: gfp_mask=(?P<mode>0x[0-9a-f]{1,16})"
    r"(?:\((?P<names>[^)]*)\))?,(?: nodemask=(?P<nodemask>[^\s,]+),)?"
    r" order=(?P<order>-?\d{1,4}), oom_score_adj=(?P<adj>-?\d{1,5})$"
)
_IDS = r"\[ *(\d{1,10})\] +(\d{1,10}) +(\d{1,10})"
_TASK = re.compile(_IDS + r" +(\d{1,18})" * 4 + r" +(-?\d{1,5}) (.*)$")
_TASK_68 = re.compile(_IDS + r" +(\d{1,18})" * 7 + r" +(-?\d{1,5}) (.*)$")
_CHOSEN = re.compile(r"(?:Memory cgroup )?[Oo]ut of memory[^:]*: Kill process \d{1,10} ")
_KILLED = re.compile(
    r"(?:(?:Memory cgroup )?[Oo]ut of memory[^:]*: )?Killed process (?P<pid>\d{1,10}) "
)


@dataclass(frozen=True, slots=True)
class TaskLine:
    """One process in the table. Sizes are pages; ``pgtables`` bytes, up to 4.14 a count of them.

    ``kinds`` is resident memory by kind (anonymous, of files, shared), since 6.8.
    """

    pid: int
    uid: int
    tgid: int
    total_vm: int
    rss: int
    pgtables: int
    swapents: int
    oom_score_adj: int
    comm: str
    kinds: tuple[int, int, int] | None = None

    def text(self, old: bool) -> str:
        """The line as kernels print it; ``old`` is 3.15's form."""
        head = f"[{self.pid:{5 if old else 7}d}] {self.uid:5d} {self.tgid:5d}"
        if self.kinds is None:
            kinds, width = "", 7 if old else 8
        else:
            anon, file, shmem = self.kinds
            kinds, width = f" {anon:8d} {file:8d} {shmem:9d}", 8
        return (
            f"{head} {self.total_vm:8d} {self.rss:8d}{kinds} {self.pgtables:{width}d}"
            f" {self.swapents:8d}         {self.oom_score_adj:5d} {self.comm}"
        )


@dataclass(slots=True)
class OomReport:
    """Who asked for what, what memory was like, who there was, and who had to go.

    ``context`` are the lines between the first and Mem-Info; ``tasks_head`` the table's head,
    which tells the kernel; ``summary`` the fields of the line ``oom-kill:``, which 3.15 does not
    print; ``chosen`` a line that only such kernels print; ``killed`` the last one.
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
    chosen: str = ""
    killed: str = ""
    tasks_head: str = TASKS_HEAD

    @property
    def victim(self) -> int | None:
        """The process that was killed; None if nobody was."""
        match = _KILLED.match(self.killed)
        return int(match["pid"]) if match else None

    @property
    def old(self) -> bool:
        """Is it a report of 3.15?"""
        return self.tasks_head == TASKS_HEAD_315


@dataclass(slots=True)
class FailureReport:
    """A page allocation failure with its Mem-Info."""

    failure: Failure
    memory: MemInfo
    context: list[str] = field(default_factory=list)


def report(pages: Pages, event: OomEvent) -> OomReport:
    """What a kernel of the era of ``pages`` says of it, from the state as it is now."""
    name = pages.era.name
    old = name == "3.15"
    said = OomReport(
        event.comm,
        event.gfp,
        "" if old else pages.era.gfp.text(event.gfp),
        event.order,
        event.oom_score_adj,
        meminfo.meminfo(pages),
        tasks=[_task_line(task, name) for task in event.tasks],
        tasks_head={"3.15": TASKS_HEAD_315, "6.1": TASKS_HEAD}.get(name, TASKS_HEAD_68),
    )
    victim = event.victim
    if victim is None:
        said.killed = NOBODY
        return said
    who = f"process {victim.pid} ({victim.comm})"
    sizes = f"total-vm:{victim.total_vm * 4}kB, anon-rss:{victim.anon_rss * 4}kB, file-rss:"
    if old:
        score = (oom_badness(victim, event.totalpages) or 0) * 1000 // event.totalpages
        said.chosen = f"{event.message}: Kill {who} score {score} or sacrifice child"
        said.killed = f"Killed {who} {sizes}{(victim.file_rss + victim.shmem_rss) * 4}kB"
        return said
    said.summary = {
        "constraint": "CONSTRAINT_NONE",
        "nodemask": "(null)",
        "cpuset": "/",
        "mems_allowed": "0",
        "global_oom": "",
        "task_memcg": "/",
        "task": victim.comm,
        "pid": str(victim.pid),
        "uid": str(victim.uid),
    }
    said.killed = (
        f"{event.message}: Killed {who} {sizes}{victim.file_rss * 4}kB,"
        f" shmem-rss:{victim.shmem_rss * 4}kB, UID:{victim.uid}"
        f" pgtables:{victim.pgtables_bytes // 1024}kB oom_score_adj:{victim.oom_score_adj}"
    )
    return said


def _task_line(task: OomTask, era: str) -> TaskLine:
    tables = task.pgtables_bytes // PAGE_SIZE if era == "3.15" else task.pgtables_bytes
    kinds = (task.anon_rss, task.file_rss, task.shmem_rss)
    return TaskLine(
        task.pid,
        task.uid,
        task.tgid or task.pid,
        task.total_vm,
        task.rss,
        tables,
        task.swapents,
        task.oom_score_adj,
        task.comm,
        None if era in ("3.15", "6.1") else kinds,
    )


def failure_report(pages: Pages, gfp: int, order: int, comm: str) -> FailureReport:
    """What a kernel of the era of ``pages`` says of a request that failed just now."""
    return FailureReport(meminfo.failure(pages, gfp, order, comm), meminfo.meminfo(pages))


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
    lines += [report.tasks_head] if report.old else [TASKS_TITLE, report.tasks_head]
    lines += [task.text(report.old) for task in report.tasks]
    if report.summary:
        fields = (f"{name}={value}" if value else name for name, value in report.summary.items())
        lines.append("oom-kill:" + ",".join(fields))
    lines += [line for line in (report.chosen, report.killed) if line]
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
    )
    if lines[end].startswith(TASKS_HEAD_315):
        report.tasks_head = TASKS_HEAD_315
    for number in range(end + 1, len(lines)):
        line = lines[number]
        if task := _task(line, report.tasks_head == TASKS_HEAD_68):
            report.tasks.append(task)
        elif line.startswith("oom-kill:"):
            for part in line.removeprefix("oom-kill:").split(","):
                name, _, value = part.partition("=")
                report.summary[name] = value
        elif _CHOSEN.match(line):
            report.chosen = line
        elif _KILLED.match(line) or line.startswith(NOBODY):
            report.killed = line
            return report
        elif line in (TASKS_HEAD, TASKS_HEAD_68):
            report.tasks_head = line
        else:
            raise BadText(f"OOM report, line {number + 1}: {line[:60]!r} is no process")
    raise BadText("the OOM report ends before anybody was killed")


def _task(line: str, detailed: bool) -> TaskLine | None:
    """A line of the table, with resident memory by kind if ``detailed``; None if it is none."""
    match = (_TASK_68 if detailed else _TASK).match(line)
    if match is None:
        return None
    *numbers, comm = match.groups()
    pid, uid, tgid, total, rss, *kinds, pgtables, swapents, adj = map(int, numbers)
    by_kind = (kinds[0], kinds[1], kinds[2]) if detailed else None
    return TaskLine(pid, uid, tgid, total, rss, pgtables, swapents, adj, comm, by_kind)


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
