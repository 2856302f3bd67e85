"""Benchmarks on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from mmtwin.bench.result import Contest, Standing, ratio
from mmtwin.bench.rows import TIMED, Row
from mmtwin.bench.targets import Target

HEADS = {
    Row.RANDOM: "random store",
    Row.ASCENDING: "ascend. store",
    Row.LOOKUP: "look up",
    Row.ITERATE: "iter- ate",
    Row.GAP: "gap search",
    Row.SPLIT: "split",
    Row.SPAN: "span 16",
    Row.ERASE: "erase",
    Row.FILL: "gap fill",
    Row.MEMORY: "bytes",
}


def short(value: float | None) -> str:
    """A figure in five places: ``998``, ``12k``, ``3.4M``."""
    if value is None:
        return "-"
    if value < 9_999.5:
        return f"{value:.0f}"
    if value < 999_500:
        return f"{value / 1000:.0f}k"
    return f"{value / 1_000_000:.1f}M"


def contest_table(contest: Contest) -> Table:
    """Nanoseconds an operation: a line for each range map, a column for each row."""
    table = Table(
        box=None,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        title=f"{contest.size:,} ranges: ns an operation",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("", no_wrap=True)
    for row in Row:
        table.add_column(HEADS[row], justify="right", no_wrap=False)
    for standing in contest.standings:
        table.add_row(
            name_of(standing, contest.size),
            *(short(standing.figure(row)) for row in Row),
            style="bold" if standing.name == "maple" else "",
        )
    return table


def name_of(standing: Standing, size: int) -> str:
    """The title, and the size if it is another one."""
    if standing.size == size:
        return standing.title
    return f"{standing.title} {short(standing.size)}"


def ratio_table(contest: Contest, names: Sequence[str], base: str) -> Table | None:
    """Times the cost of ``base``, for some of the others."""
    reference = contest.of(base)
    if reference is None:
        return None
    table = Table(
        box=None,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        title=f"{contest.size:,} ranges: times {reference.title}",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("", no_wrap=True)
    for row in Row:
        table.add_column(HEADS[row], justify="right")
    for name in names:
        standing = contest.of(name)
        if standing is None:
            continue
        ratios = [ratio(standing, reference, row) for row in Row]
        table.add_row(standing.title, *("-" if r is None else f"{r:.1f}" for r in ratios))
    return table


def target_table(targets: Sequence[Target]) -> Table:
    """What was to be reached, and whether it was."""
    table = Table(
        box=None, padding=(0, 1, 0, 0), pad_edge=False, title="Targets", title_justify="left"
    )
    for head in ("ranges", "row", "what", "target", "found", ""):
        table.add_column(head, justify="right" if head in ("ranges", "target", "found") else "left")
    for target in targets:
        sign = "≥" if target.at_least else "≤"
        places = 2 if target.unit == "x" else 0
        table.add_row(
            f"{target.size:,}",
            target.row.value,
            target.text,
            f"{sign} {target.limit:,.{1 if target.unit == 'x' else 0}f} {target.unit}",
            f"{target.measured:,.{places}f}",
            Text("reached", "green") if target.reached else Text("missed", "red"),
        )
    return table


def spread_of(contests: Sequence[Contest]) -> float:
    """The middle of all spreads, as a part of the figures."""
    spreads = sorted(
        standing.cells[row].spread
        for contest in contests
        for standing in contest.standings
        for row in TIMED
        if row in standing.cells and len(standing.cells[row].each) > 1
    )
    return spreads[len(spreads) // 2] if spreads else 0.0
