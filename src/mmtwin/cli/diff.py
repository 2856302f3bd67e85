"""``mmtwin diff``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mmtwin.cli import INTERRUPTED
from mmtwin.cli.diff_pages import diff_pages
from mmtwin.cli.nodes import node_for_node, program_node_for_node
from mmtwin.cli.options import (
    Arch,
    Calls,
    Collapse,
    HugePool,
    Json,
    Kernel,
    Most,
    Nodes,
    OnArch,
    OnKernel,
    Pages,
    Program,
    Quiet,
    Recording,
    Regressions,
    Save,
    Seed,
    Shrink,
    StateFile,
    TracesIn,
)
from mmtwin.cli.outcome import CLEAN, FOUND, document, fail, write_json
from mmtwin.cli.replay import regressions_named
from mmtwin.kernels.as_trace import AsTrace
from mmtwin.kernels.campaign import State, StateError, go_on, load
from mmtwin.kernels.campaign import save as save_state
from mmtwin.kernels.diff import SEGMENTS, Differ, Run, on_host, on_qemu
from mmtwin.kernels.host.build import AgentError
from mmtwin.kernels.strace import listing, show
from mmtwin.kernels.uncompared import uncompared
from mmtwin.trace.writer import TraceWriter

BAR_FROM = 4_000
"""Calls from which on a bar is shown."""
SAVE_EVERY = 250
"""Runs between two writings of the state file."""


def diff(
    kernel: OnKernel = (Kernel.HOST),
    arch: OnArch = Arch.X86_64,
    calls: Calls = 100_000,
    seed: Seed = 1,
    most: Most = 1,
    shrink: Shrink = True,
    huge_pool: HugePool = False,
    collapse: Collapse = False,
    nodes: Nodes = False,
    program: Program = None,
    pages: Pages = False,
    recording: Recording = None,
    save: Save = None,
    regression: Regressions = None,
    state: StateFile = None,
    traces: TracesIn = Path("out"),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make random calls on a real kernel and on the twin, and compare after each.

    An interrupt ends it after what was done so far; with --state the same command goes on.
    """
    if pages:
        if kernel is not Kernel.QEMU and recording is None:
            fail("diff --pages: only a guest's memory can be read; it needs --kernel qemu")
        diff_pages(calls=calls, seed=seed, recording=recording, save=save, json=json, quiet=quiet)
    if recording is not None or save is not None:
        fail("diff --recording, diff --save: they need --pages")
    if nodes:
        if kernel is not Kernel.QEMU:
            fail("diff --nodes: only a guest's memory can be read; it needs --kernel qemu")
        if program is not None:
            program_node_for_node(program, json=json, quiet=quiet)
        node_for_node(calls=calls, seed=seed, most=most, json=json, quiet=quiet)
    if program is not None:
        fail("diff --program: it needs --nodes")
    name = kernel.value if kernel is Kernel.HOST else f"{kernel.value} {arch.value}"
    bugs = regressions_named(regression or [])
    host = kernel is Kernel.HOST
    opened = (
        on_host(bugs, huge_pool=huge_pool, collapses=collapse)
        if host
        else on_qemu(bugs, arch.value)
    )
    try:
        with opened as differ:
            start = State(name, ".".join(map(str, differ.facts.release)), seed)
            shown = not (json or quiet)
            done = campaign(differ, start, calls, most, state, shown=shown)
            told = findings(differ, done, traces, shrink=shrink)
            left_out = uncompared(differ)
    except AgentError as error:
        fail(f"diff --kernel {kernel.value}: {error}")
    except StateError as error:
        fail(f"diff --state {error}")
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    if json:
        report_json(done, told, left_out, differ.facts.profile)
    elif not quiet:
        report(done, told, left_out, state)
    clean = FOUND if done.state.found else CLEAN
    raise typer.Exit(INTERRUPTED if done.interrupted else clean)


@dataclass(frozen=True, slots=True)
class Campaign:
    """How far a campaign came, this time's runs in which something differed, and whether an
    interrupt ended it."""

    state: State
    runs: list[Run]
    interrupted: bool


def campaign(
    differ: Differ, fresh: State, calls: int, most: int, path: Path | None, *, shown: bool
) -> Campaign:
    """Go on with the campaign in the file ``path``, or make ``fresh``; ``shown``: with a bar."""
    state = fresh if path is None else load(path, fresh)
    with bar(calls, shown=shown) as on_run:
        runs, interrupted = go_on(differ, state, calls, most, saving(path, on_run))
    if path is not None:
        save_state(path, state)
    return Campaign(state, runs, interrupted)


def findings(
    differ: Differ, done: Campaign, traces: Path, *, shrink: bool
) -> list[tuple[dict[str, object], str]]:
    """What was found, for the document and for people, each made as short as it can be."""
    runs = done.runs
    if shrink and not done.interrupted:
        runs = [differ.shrink(run) for run in runs]
    return [finding(differ, run, traces, done.state.kernel) for run in runs]


def report(
    done: Campaign,
    told: list[tuple[dict[str, object], str]],
    left_out: list[str],
    path: Path | None,
) -> None:
    """Tell people what was found, how much was compared and what was not."""
    for _, text in told:
        typer.echo(text)
    state = done.state
    rate = state.calls / state.seconds if state.seconds else 0.0
    typer.echo(
        f"{state.kernel} {state.release}: {state.calls:,} calls in {state.runs:,} runs (seeds "
        f"{state.seed} to {state.seed + state.runs - 1}), {len(state.found)} disagreements, "
        f"{rate:,.0f} calls a second"
    )
    typer.echo("not compared: " + "; ".join(left_out))
    if done.interrupted:
        typer.echo("interrupted" + (f"; go on with --state {path}" if path else ""))


def report_json(
    done: Campaign,
    told: list[tuple[dict[str, object], str]],
    left_out: list[str],
    profile: str | None,
) -> None:
    """The same as one JSON document."""
    state = done.state
    counts: dict[str, object] = {
        "calls": state.calls,
        "runs": state.runs,
        "disagreed": len(state.found),
    }
    write_json(
        document(
            "diff",
            profile=profile,
            ok=not state.found and not done.interrupted,
            counts=counts,
            findings=[found for found, _ in told],
            kernel=state.kernel,
            release=state.release,
            seed=state.seed,
            seeds=state.found,
            seconds=round(state.seconds, 3),
            interrupted=done.interrupted,
            not_compared=left_out,
        )
    )


@contextmanager
def bar(calls: int, *, shown: bool) -> Iterator[Callable[[State], None] | None]:
    """A bar on standard error while a long campaign runs; None where it would not help."""
    console = Console(stderr=True)
    if not shown or not console.is_terminal or calls < BAR_FROM:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as shown_bar:
        task = shown_bar.add_task("diff", total=calls)
        yield lambda state: shown_bar.update(task, completed=state.calls)


def saving(path: Path | None, on_run: Callable[[State], None] | None) -> Callable[[State], None]:
    """What happens after every run: the bar moves on, and now and then the state is saved."""

    def after(state: State) -> None:
        if on_run is not None:
            on_run(state)
        if path is not None and state.runs % SAVE_EVERY == 0:
            save_state(path, state)

    return after


def finding(differ: Differ, run: Run, folder: Path, kernel: str) -> tuple[dict[str, object], str]:
    """A disagreement for the document and for people, its trace written to ``folder``."""
    assert run.found is not None
    again = differ.rerun(run.start, run.calls, details=run.details)
    made = differ.made
    trace = AsTrace(
        run.start,
        differ.facts,
        SEGMENTS,
        differ.options.keep_end,
        differ.kernel.machine.name,
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"diff-{kernel.replace(' ', '-')}-{run.seed}.jsonl"
    with TraceWriter(path) as writer:
        for record in trace.records(made):
            writer.write(record)
    results = [answers[0].result for answers in made.answers]
    text = show(run, results) + f"\n  trace: {path}"
    if again is None:
        text += "\n  The same calls made again agree: something outside of them had a part in it."
    found: dict[str, object] = {
        "kind": "disagreement",
        "invariant": None,
        "step": run.found.step,
        "call": str(run.found.call),
        "message": run.found.what,
        "evidence": {
            "seed": run.seed,
            "start": str(run.start),
            "calls": listing(run.calls, results),
            "twin": run.found.twin,
            "kernel": run.found.kernel,
            "again": again is not None,
            "trace": str(path),
        },
        "regressions": [],
    }
    return found, text
