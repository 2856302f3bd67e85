"""``mmtwin demo``: the main job on real input, without and with a historical bug."""

from __future__ import annotations

from functools import partial

import typer
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from mmtwin.check.run import Check, Run
from mmtwin.cli.replay import result_text
from mmtwin.data import recorded_compiler
from mmtwin.machine.failslab import FailSlab
from mmtwin.machine.profile import PROFILES
from mmtwin.regressions import catalogue
from mmtwin.replay.kernel import profile_of
from mmtwin.trace.reader import read_trace

ACTS: tuple[tuple[str, str | None, str | None], ...] = (
    ("A real compiler run, every call carried out and every structure checked", None, None),
    (
        "The same with the stale-data copy of mas_wr_node_store put back (2022, maple tree v10)",
        "stale-node-copy",
        None,
    ),
    (
        "The same with two stores on one preallocation put back, while memory is low",
        "prealloc-spent",
        "maple_node,nowait",
    ),
)


def demo() -> None:
    """Replay a bundled trace of a real compiler, with and without historical bugs."""
    trace = recorded_compiler()
    profile, why = profile_of(next(iter(read_trace(trace))))
    console = Console()
    expected = True
    for title, regression, failslab in ACTS:
        console.print(Rule(Text(title, "bold"), align="left"))
        run = Run(
            lambda: read_trace(trace),
            PROFILES[profile],
            regressions=[catalogue.get(regression)] if regression else [],
            injector=partial(FailSlab.parse, failslab) if failslab else None,
        )
        result = run.run()
        console.print(result_text(result, trace.name, f"{profile} ({why})", Check.TOUCHED))
        console.print()
        expected = expected and result.ok == (regression is None)
    if not expected:
        console.print(Text("this is not what the demo is meant to show", "bold red"))
        raise typer.Exit(1)
