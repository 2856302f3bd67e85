"""``mmtwin bench``: the benchmarks, side by side in one run."""

from __future__ import annotations

import platform
import resource
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from mmtwin.check.run import Check, Run
from mmtwin.cli.outcome import document, write_json
from mmtwin.cli.replay import AUTO
from mmtwin.data import recorded_compiler
from mmtwin.machine.profile import PROFILES
from mmtwin.memory import memory
from mmtwin.replay.kernel import profile_of
from mmtwin.trace.generate import workload
from mmtwin.trace.programs import PROGRAMS
from mmtwin.trace.reader import read_trace
from mmtwin.trace.records import Record
from mmtwin.view.console import facts, number

bench = typer.Typer(help="The benchmarks, side by side in one run.", no_args_is_help=True)

CALLS = 50_000
MILLION = 1_000_000


def measure(records: list[Record], profile: str, check: Check) -> float:
    """Seconds for a replay of records already read, without comparing recorded maps."""
    run = Run(lambda: records, PROFILES[profile], check=check, compare=False)
    return run.run().seconds


@bench.command("replay")
def replay(
    traces: Annotated[
        list[Path] | None, typer.Argument(help="Traces to replay as well; long ones tell more.")
    ] = None,
    calls: Annotated[int, typer.Option(help="Calls of each generated workload.")] = CALLS,
    full: Annotated[
        bool, typer.Option("--full", help="Also check everything after every step (slow).")
    ] = False,
    million: Annotated[
        bool, typer.Option("--million", help="Also a million calls, for the memory they need.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """Calls a second by way of checking, reading and comparing of maps text left out."""
    sources: list[tuple[str, list[Record]]] = [
        (kind, list(workload(kind, calls, seed=1))) for kind in PROGRAMS
    ]
    for path in [recorded_compiler(), *(traces or [])]:
        sources.append((path.name, list(read_trace(path))))
    checks = [Check.OFF, Check.TOUCHED, Check.BISECT, *([Check.EVERY] if full else [])]
    rows: list[dict[str, object]] = []
    for name, records in sources:
        profile = profile_of(records[0])[0]
        seconds = {check: measure(records, profile, check) for check in checks}
        rows.append(
            {
                "workload": name,
                "steps": len(records),
                **{
                    check.value: {
                        "steps_a_second": round(len(records) / seconds[check]),
                        "cost": round(seconds[check] / seconds[Check.OFF], 2),
                    }
                    for check in checks
                },
            }
        )
    peak = _million() if million else None
    if json:
        write_json(
            document(
                "bench replay",
                profile=AUTO,
                ok=True,
                counts={},
                findings=[],
                rows=rows,
                machine=platform.machine(),
                python=platform.python_version(),
                compiled=_compiled(),
                peak_megabytes=peak,
            )
        )
        return
    Console().print(_table(rows, checks, peak))


def _million() -> float:
    """Peak memory in MB after a streamed replay of a million calls with touched checks."""
    kind = next(iter(PROGRAMS))
    run = Run(lambda: workload(kind, MILLION, seed=2), PROFILES["6.18"], compare=False)
    run.run()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _compiled() -> bool:
    return not memory.__file__.endswith(".py")


def _table(rows: list[dict[str, object]], checks: list[Check], peak: float | None) -> Group:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("workload")
    table.add_column("steps", justify="right")
    for check in checks:
        table.add_column(f"{check.value}, steps/s", justify="right")
        table.add_column("cost", justify="right")
    for row in rows:
        cells = [str(row["workload"]), number(int(str(row["steps"])))]
        for check in checks:
            cell = row[check.value]
            assert isinstance(cell, dict)
            cells += [number(cell["steps_a_second"]), f"{cell['cost']:.2f}"]
        table.add_row(*cells)
    parts: list[RenderableType] = [
        facts(
            [
                ("what", "replay from memory; recorded maps not compared; one core"),
                ("rooms", "compiled" if _compiled() else "uncompiled"),
                ("python", platform.python_version()),
            ]
        ),
        table,
    ]
    if peak is not None:
        parts.append(Text(f"peak memory after a million calls, streamed: {peak:.0f} MB"))
    return Group(*parts)
