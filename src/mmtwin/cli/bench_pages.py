"""``mmtwin bench pages``: the page allocator's speed and storms, and fragmentation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from mmtwin.bench import pages as by_pages
from mmtwin.bench.fragmentation import over_time
from mmtwin.bench.machine import compiled
from mmtwin.cli.options import Json
from mmtwin.cli.outcome import CLEAN, FOUND, document, fail, write_json
from mmtwin.view import fragmentation as view
from mmtwin.view.console import facts, number

PAIRS = 1_000_000
EVENTS = 100_000
SAMPLES = 16
CAUGHT_WITHIN = 200_000


def pages(
    events: Annotated[int, typer.Option(help="Events of each storm.", min=1)] = EVENTS,
    seed: Annotated[int, typer.Option(help="The storms' seed.")] = 1,
    profile: Annotated[
        str, typer.Option(help=f"The storm's kernel: {', '.join(by_pages.STORMS)}, or all.")
    ] = "all",
    state: Annotated[
        Path | None,
        typer.Option(help="Put long storms aside in this directory; the next run goes on there."),
    ] = None,
    fragmentation: Annotated[
        Path | None,
        typer.Option(help="Only draw how a storm breaks memory up, into this file (SVG)."),
    ] = None,
    megabytes: Annotated[
        int, typer.Option(help="Memory of the machine that is drawn.", min=16)
    ] = 256,
    bugs: Annotated[
        bool, typer.Option("--bugs", help="Also when a storm catches each historical bug.")
    ] = False,
    json: Json = False,
) -> None:
    """Pairs a second, storms under every invariant, a tebibyte; or fragmentation over time.

    An interrupt ends it; with --state the same command goes on with the storms.
    """
    if profile != "all" and profile not in by_pages.STORMS:
        fail(f"bench pages: no profile {profile!r}; there are {', '.join(by_pages.STORMS)}, all")
    names = list(by_pages.STORMS) if profile == "all" else [profile]
    if fragmentation is not None:
        _draw(names[0] if profile != "all" else "6.1", seed, events, megabytes, fragmentation, json)
        return
    rates = {name: by_pages.pairs(name, PAIRS) for name in names if name in by_pages.ENGINES}
    runs = [_storm(name, seed, events, state, shown=not json) for name in names]
    caught = by_pages.bugs_caught(seed, CAUGHT_WITHIN) if bugs else {}
    tebibyte = by_pages.tebibyte()
    broken = [run for run in runs if run.broken]
    missed = [name for name, what in caught.items() if what is None]
    if json:
        _document(profile, rates, runs, caught, tebibyte)
    else:
        _show(rates, runs, caught, tebibyte)
    raise typer.Exit(FOUND if broken or missed else CLEAN)


def _storm(
    name: str, seed: int, events: int, state: Path | None, *, shown: bool
) -> by_pages.StormRun:
    """One storm, with a bar while it lasts."""
    if state is not None:
        state.mkdir(parents=True, exist_ok=True)
        state = state / f"storm-{name}-{seed}"
    with Progress(console=Console(stderr=True), transient=True, disable=not shown) as bar:
        task = bar.add_task(f"storm on {name}", total=events)
        try:
            return by_pages.storm(
                name, seed, events, state, lambda run: bar.update(task, completed=run.events)
            )
        except ValueError as error:
            fail(f"bench pages --state: {error}")
        except OSError as error:
            fail(f"{error.filename}: {error.strerror}")


def _document(
    profile: str,
    rates: dict[str, float],
    runs: list[by_pages.StormRun],
    caught: dict[str, tuple[int, str] | None],
    tebibyte: tuple[float, float, float],
) -> None:
    broken = sum(1 for run in runs if run.broken)
    boot, million, peak = tebibyte
    write_json(
        document(
            "bench pages",
            profile=profile,
            ok=not broken and None not in caught.values(),
            counts={"events": sum(run.events for run in runs), "violations": broken},
            findings=[],
            pairs_a_second={name: round(rate) for name, rate in rates.items()},
            storms=[
                {
                    "profile": run.profile,
                    "events": run.events,
                    "work_seconds": round(run.work, 3),
                    "check_seconds": round(run.checks, 3),
                    "broken": run.broken,
                    "by_kind": run.counts,
                }
                for run in runs
            ],
            bugs={
                name: {"events": what[0], "as": what[1]} if what else None
                for name, what in caught.items()
            },
            tebibyte={
                "boot_seconds": round(boot, 4),
                "million_pairs_seconds": round(million, 3),
                "peak_megabytes": round(peak),
            },
            compiled=compiled(),
        )
    )


def _show(
    rates: dict[str, float],
    runs: list[by_pages.StormRun],
    caught: dict[str, tuple[int, str] | None],
    tebibyte: tuple[float, float, float],
) -> None:
    console = Console()
    boot, million, peak = tebibyte
    console.print(
        facts(
            [
                ("rooms", "compiled" if compiled() else "uncompiled"),
                ("1 TiB", f"boots in {boot * 1000:.1f} ms; a million pairs in {million:.2f} s"),
                ("peak memory", f"{peak:.0f} MB, everything here together"),
            ]
        )
    )
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("kernel", "pairs/s", "storm events", "events/s", "checks/work", "broken"):
        table.add_column(name, justify="left" if name in ("kernel", "broken") else "right")
    for run in runs:
        table.add_row(
            run.profile,
            number(round(rates[run.profile])) if run.profile in rates else "",
            number(run.events),
            number(round(run.events / run.work)),
            f"{run.checks / run.work:.2f}",
            run.broken or "nothing",
        )
    console.print(table)
    if caught:
        found = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
        found.add_column("bug put back")
        found.add_column("event", justify="right")
        found.add_column("found as", overflow="fold")
        for name, what in caught.items():
            found.add_row(name, *((number(what[0]), what[1][:60]) if what else ("-", "not met")))
        console.print(found)


def _draw(profile: str, seed: int, events: int, megabytes: int, path: Path, json: bool) -> None:
    """Show fragmentation over time as a table, and write the picture."""
    machine = by_pages.STORMS[profile].kind.of_ram(megabytes << 20, cpus=2)
    samples = over_time(machine, seed, events, SAMPLES)
    title = f"Linux {profile}, {megabytes} MiB, storm of {events:,} events, seed {seed}"
    try:
        path.write_text(view.picture(samples, title))
    except OSError as error:
        fail(f"bench pages: {path}: {error.strerror}")
    if json:
        write_json(
            document(
                "bench pages",
                profile=profile,
                ok=True,
                counts={"events": events},
                findings=[],
                samples=[
                    {
                        "events": sample.events,
                        "free": sample.free,
                        "unusable": round(sample.unusable(view.PAGEBLOCK_ORDER), 4),
                        "mixed": sample.mixed,
                        "blocks": sample.blocks,
                    }
                    for sample in samples
                ],
                picture=str(path),
            )
        )
        return
    console = Console()
    console.print(Text(title, "bold"))
    console.print(view.table(samples))
    console.print(Text(f"picture: {path}"))
