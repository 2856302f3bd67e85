"""``mmtwin bench``: the benchmarks, side by side in one run."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from mmtwin.bench import fork as by_fork
from mmtwin.bench import replay as by_replay
from mmtwin.bench.document import contest_document, target_document
from mmtwin.bench.machine import compiled, facts_of_machine, load
from mmtwin.bench.peers import COMPILED, MODULES
from mmtwin.bench.race import SMALLEST, WEIGHED, Race
from mmtwin.bench.result import Contest
from mmtwin.bench.rows import Row
from mmtwin.bench.state import StateError
from mmtwin.bench.state import load as load_state
from mmtwin.bench.state import save as save_state
from mmtwin.bench.tables import page
from mmtwin.bench.targets import Target, targets
from mmtwin.check.run import Check
from mmtwin.cli import INTERRUPTED
from mmtwin.cli.bench_pages import pages
from mmtwin.cli.options import Json
from mmtwin.cli.outcome import CLEAN, document, fail, write_json
from mmtwin.cli.replay import AUTO
from mmtwin.view.bench import contest_table, ratio_table, spread_of, target_table
from mmtwin.view.console import facts, number

bench = typer.Typer(help="The benchmarks, side by side in one run.", no_args_is_help=True)
bench.command("pages")(pages)

CALLS = 50_000
MILLION = 1_000_000
SIZES = "1e3,1e5,1e6"
DEEP = "1e3,1e4,1e5,1e6,1e7"


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
    json: Json = False,
) -> None:
    """Calls a second by way of checking, reading and comparing of maps text left out; forks."""
    checks = [Check.OFF, Check.TOUCHED, Check.BISECT, *([Check.EVERY] if full else [])]
    rows = list(by_replay.rows(by_replay.sources(traces or [], calls), checks))
    forks = list(by_fork.rows())
    peak = by_replay.million() if million else None
    together = by_replay.together(rows, checks)
    if json:
        write_json(
            document(
                "bench replay",
                profile=AUTO,
                ok=True,
                counts={},
                findings=[],
                rows=rows,
                together=together,
                forks=forks,
                machine=platform.machine(),
                python=platform.python_version(),
                compiled=compiled(),
                peak_megabytes=peak,
            )
        )
        return
    Console().print(_table(rows, together, forks, checks, peak))


def _table(
    rows: list[by_replay.Row],
    together: by_replay.Row,
    forks: list[dict[str, object]],
    checks: list[Check],
    peak: float | None,
) -> Group:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("workload")
    table.add_column("steps", justify="right")
    for check in checks:
        table.add_column(f"{check.value}, steps/s", justify="right")
        table.add_column("cost", justify="right")
    for row in rows:
        cells = [row["workload"], number(row["steps"])]
        for check in checks:
            cell = row[check.value]
            cells += [number(cell["steps_a_second"]), f"{cell['cost']:.2f}"]
        table.add_row(*cells)
    parts: list[RenderableType] = [
        facts(
            [
                ("what", "replay from memory; recorded maps not compared; processor time"),
                ("rooms", "compiled" if compiled() else "uncompiled"),
                ("python", platform.python_version()),
            ]
        ),
        table,
        Text(
            f"generated workloads together: {number(together['steps'])} steps, of which "
            f"{number(together['calls'])} are calls; "
            + ", ".join(
                f"{check.value} {number(together[check.value]['calls_a_second'])} calls/s"
                for check in checks
            )
        ),
    ]
    for row in forks:
        parts.append(
            Text(
                f"fork, {row['profile']}: {row['areas']} areas in {row['untouched_ms']} ms, "
                f"each with a page written to in {row['written_ms']} ms"
            )
        )
    if peak is not None:
        parts.append(Text(f"peak memory after a million calls, streamed: {peak:.0f} MB"))
    return Group(*parts)


@bench.command("maple")
def maple(
    sizes: Annotated[
        str | None, typer.Option(help=f"How many ranges, comma-separated.  [default: {SIZES}]")
    ] = None,
    peers: Annotated[
        str | None, typer.Option(help=f"Which range maps, of {', '.join(MODULES)}.")
    ] = None,
    rows: Annotated[
        str | None, typer.Option(help="Which rows beside the stores, comma-separated.")
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(help="Rounds at each size; 3 to 7 by size if not given.", min=1)
    ] = None,
    deep: Annotated[bool, typer.Option("--deep", help=f"Sizes {DEEP}.")] = False,
    plots: Annotated[
        Path | None, typer.Option(help="Write pictures and tables (Markdown) into this folder.")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(help="Keep what is measured in this file, and go on from there."),
    ] = None,
    json: Json = False,
) -> None:
    """The maple tree as a range map, against the kernel's own and against Python's.

    An interrupt ends it after what was measured so far; with --state the same command goes on.
    """
    before = load()
    race = Race(
        names_of(peers),
        sizes_of(sizes or (DEEP if deep else SIZES)),
        _told,
        rows=rows_of(rows),
        rounds=rounds,
        weighed=MILLION if deep else WEIGHED,
    )
    contests = run(race, state)
    sys.stderr.write("\r\x1b[K" if sys.stderr.isatty() else "")
    reached = targets(contests)
    around = {**facts_of_machine(), "load": f"{before} before, {load()} after"}
    spread = spread_of(contests)
    if plots is not None:
        from mmtwin.bench.plots import draw

        draw(contests, plots)
        command = command_line(sys.argv[1:], state)
        (plots / "maple.md").write_text(page(contests, reached, around, command, spread), "utf-8")
    if json:
        write_json(
            document(
                "bench maple",
                profile=None,
                ok=True,
                counts={},
                findings=[],
                interrupted=race.interrupted,
                machine=around,
                missing=race.missing,
                sizes=[contest_document(contest) for contest in contests],
                targets=[target_document(target) for target in reached],
            )
        )
    else:
        report(race, contests, reached, around, spread)
        if race.interrupted:
            typer.echo("interrupted" + (f"; go on with --state {state}" if state else ""))
    raise typer.Exit(INTERRUPTED if race.interrupted else CLEAN)


def run(race: Race, path: Path | None) -> list[Contest]:
    """Measure, or go on with what is in the file ``path``."""
    if path is not None:
        try:
            race.state = load_state(path, race.settings)
            save_state(path, race.state)
        except StateError as error:
            fail(f"bench maple --state {error}")
        except OSError as error:
            fail(f"bench maple --state {path}: {error.strerror}")
        race.saved = lambda state: save_state(path, state)
    return race.run()


def command_line(words: list[str], state: Path | None) -> str:
    """The command as typed, without where it keeps its state."""
    if state is not None:
        words = [word for word in words if word not in ("--state", str(state), f"--state={state}")]
    return " ".join(["mmtwin", *words])


def report(
    race: Race,
    contests: list[Contest],
    reached: list[Target],
    around: dict[str, str],
    spread: float,
) -> None:
    """Tell people."""
    lines = [
        ("what", "nanoseconds of the processor an operation; the middle of the rounds"),
        *around.items(),
        ("spread", f"{spread:.0%} from the best round to the worst, typically"),
        *((f"no {name}", why) for name, why in race.missing.items()),
    ]
    console = Console()
    console.print(facts(lines))
    for contest in contests:
        console.print()
        console.print(contest_table(contest))
        if not contest.agree():
            console.print(Text("they do not hold the same ranges at the end", "bold red"))
    for contest in contests:
        times = ratio_table(contest, COMPILED[1:], "kernel")
        if times is not None:
            console.print()
            console.print(times)
    console.print()
    console.print(target_table(reached))


def _told(text: str) -> None:
    """One line of progress, which the next one overwrites on a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
    else:
        sys.stderr.write(text + "\n")
    sys.stderr.flush()


def sizes_of(text: str) -> list[int]:
    """``1e3,1e5`` as whole numbers."""
    try:
        found = [int(float(word)) for word in text.split(",")]
    except (ValueError, OverflowError):
        fail(f"--sizes {text}: not numbers with commas between them")
    if min(found) < SMALLEST:
        fail(f"--sizes {text}: at least {SMALLEST}")
    return found


def rows_of(text: str | None) -> list[Row]:
    """The rows of these names; all if none is asked for."""
    if text is None:
        return list(Row)
    try:
        return [Row(word) for word in text.split(",")]
    except ValueError:
        fail(f"--rows {text}: rows are {', '.join(Row)}")


def names_of(text: str | None) -> list[str]:
    """The names of range maps; all if none is asked for."""
    names = list(MODULES) if text is None else text.split(",")
    for name in names:
        if name not in MODULES:
            fail(f"--peers: no such range map {name}; there are {', '.join(MODULES)}")
    return names
