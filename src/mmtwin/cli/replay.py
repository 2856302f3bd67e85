"""``mmtwin replay``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from mmtwin.check.run import Check, Result, Run, count_steps
from mmtwin.cli import INTERRUPTED
from mmtwin.cli.against import against
from mmtwin.cli.options import (
    Against,
    CheckHow,
    Failslab,
    HugePages,
    Json,
    Part,
    Parts,
    ProfileName,
    Quiet,
    Ram,
    Regressions,
    Report,
    Sanitize,
    Swap,
    Trace,
)
from mmtwin.cli.outcome import CLEAN, FOUND, document, fail
from mmtwin.cli.report import present
from mmtwin.machine.failslab import FailSlab
from mmtwin.machine.profile import PROFILES, Profile
from mmtwin.memory.memory import PAGE
from mmtwin.regressions import catalogue
from mmtwin.regressions.regression import Regression
from mmtwin.replay.kernel import profile_of
from mmtwin.trace.errors import TraceError
from mmtwin.trace.reader import read_trace
from mmtwin.twin import RAM, RAM_MIN
from mmtwin.view.console import counts_line, facts, finding_panel, number, verdict

AUTO = "auto"
RAM_MAX = 16 << 40
_SIZE = re.compile(r"(\d{1,15})([KMGTkmgt]?)")
BAR_FROM = 20_000
"""Steps from which on a bar is shown."""


def replay(
    trace: Trace,
    profile: ProfileName = AUTO,
    regression: Regressions = None,
    check: CheckHow = Check.TOUCHED,
    failslab: Failslab = None,
    sanitize: Sanitize = False,
    ram: Ram = None,
    swap: Swap = None,
    hugepages: HugePages = 0,
    other: Against = None,
    part: Part = None,
    json: Json = False,
    report: Report = None,
    quiet: Quiet = False,
) -> None:
    """Carry out a recorded trace, compare each result and map, name the first bad step."""
    if part and other is None:
        fail("--part says in what two kernels may part: it needs --against")
    regressions = regressions_named(regression or [])
    injector = injector_from(failslab)
    size = RAM if ram is None else size_from("--ram", ram, RAM_MIN)
    swap_size = 0 if swap is None else size_from("--swap", swap, 2 * PAGE)
    path = str(trace)
    try:
        name, why = profile, "asked for"
        if profile == AUTO:
            name, why = profile_of(next(iter(read_trace(path))))
        left = profile_named("--profile", name)
        right = profile_named("--against", other) if other is not None else None
        with progress(path, shown=not (json or quiet)) as on_step:
            if right is not None:
                against(
                    trace,
                    lambda: read_trace(path),
                    left,
                    right,
                    parts=[one.value for one in part or Parts],
                    regressions=regressions,
                    injector=injector,
                    ram=size,
                    swap=swap_size,
                    hugepages=hugepages,
                    json=json,
                    quiet=quiet,
                    page=report,
                    on_step=on_step,
                )
            run = Run(
                lambda: read_trace(path),
                left,
                regressions=regressions,
                check=check,
                injector=injector,
                sanitize=sanitize,
                ram=size,
                swap=swap_size,
                hugepages=hugepages,
                on_step=on_step,
            )
            result = run.run()
    except TraceError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{path}: {error.strerror or error}")
    present(
        result_document(result, path, [r.name for r in regressions]),
        result_text(result, trace.name, f"{name} ({why})", check),
        json=json,
        quiet=quiet,
        page=report,
    )
    raise typer.Exit(INTERRUPTED if result.interrupted else CLEAN if result.ok else FOUND)


def profile_named(option: str, name: str) -> Profile:
    """The profile of that name; ends the command if there is none."""
    if name not in PROFILES:
        fail(f"{option} {name}: there is no such profile; there are {', '.join(PROFILES)}")
    return PROFILES[name]


def regressions_named(names: list[str]) -> list[Regression]:
    """The catalogue's entries of these names; ends the command at an unknown one."""
    found = []
    for name in names:
        try:
            found.append(catalogue.get(name))
        except KeyError:
            fail(f"--regression {name}: there is no such regression; see mmtwin bugs list")
    return found


def injector_from(spec: str | None) -> Callable[[], FailSlab] | None:
    """What makes a fresh injector from the option's text; ends the command if it is wrong."""
    if spec is None:
        return None
    try:
        FailSlab.parse(spec)
    except ValueError as error:
        fail(f"--failslab: {error}")
    return lambda: FailSlab.parse(spec)


def size_from(option: str, text: str, least: int) -> int:
    """Bytes that an option asks for (K, M, G, T); ends the command if that is wrong."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        fail(f"{option} {text}: a size is a number and K, M, G or T, such as 64M")
    size = int(match[1]) << 10 * (" KMGT".index(match[2].upper()) if match[2] else 0)
    if not least <= size <= RAM_MAX or size % PAGE:
        fail(f"{option} {text}: memory is a multiple of 4K from {size_text(least)} to 16T")
    return size


def size_text(size: int) -> str:
    """A size as options take it, in M or K."""
    return f"{size >> 20}M" if size >> 20 else f"{size >> 10}K"


@contextmanager
def progress(path: str, *, shown: bool) -> Iterator[Callable[[int], None] | None]:
    """A bar on standard error while a long trace runs; None where it would not help."""
    console = Console(stderr=True)
    if not shown or not console.is_terminal:
        yield None
        return
    total = count_steps(read_trace(path))
    if total < BAR_FROM:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("replay", total=total)

        def on_step(step: int) -> None:
            if step % 512 == 0:
                bar.update(task, completed=step)

        yield on_step


def result_document(result: Result, trace: str, regressions: list[str]) -> dict[str, object]:
    """The JSON document of a replay."""
    return document(
        "replay",
        profile=result.profile.name,
        ok=result.ok,
        counts=result.counts.as_json(),
        findings=[finding.as_json() for finding in result.findings],
        trace=trace,
        regressions=regressions,
        damage=result.damage.as_json() if result.damage is not None else None,
        seconds=round(result.seconds, 3),
        interrupted=result.interrupted,
    )


def result_text(result: Result, trace: str, profile: str, check: Check) -> Group:
    """The summary that a person reads."""
    counts = result.counts.as_json()
    rows: list[tuple[str, RenderableType]] = [
        ("trace", Text(trace, "bold")),
        ("kernel", profile),
        ("replay", counts_line(counts)),
        ("maps", f"{number(result.counts.maps_compared)} texts of /proc/PID/maps compared"),
    ]
    for reason, times in sorted(result.counts.reasons.items()):
        rows.append(("settled", f"{number(times)} × {reason}"))
    if result.counts.inferred:
        rows.append(("inferred", f"{number(result.counts.inferred)} × exec's random program break"))
    if check is not Check.OFF:
        rows.append(("checks", f"{number(result.counts.checks)} ({check.value})"))
    rows.append(("time", f"{result.seconds:.2f} s"))
    parts: list[RenderableType] = [facts(rows)]
    for finding in result.findings[:1]:
        parts.append(finding_panel(finding.as_json()))
    if result.damage is not None:
        parts.append(Text(str(result.damage), "yellow"))
    parts.append(verdict(result.ok, result.interrupted))
    return Group(*parts)
