"""The measurements as pictures. Needs matplotlib (group bench)."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from mmtwin.bench.peers import OWN, RIVALS
from mmtwin.bench.result import Contest
from mmtwin.bench.rows import TIMED, Row

COLOURS = {
    "maple": "#b03a2e",
    "batch": "#e59866",
    "words": "#d4ac0d",
    "kernel": "#1f618d",
}
OTHERS = "#aab2bd"
GROWING = (Row.LOOKUP, Row.GAP, Row.RANDOM)
GROWN = ("kernel", "words", "maple", "qqbtree", "sorteddict")
"""Whose growth is shown, as far as it was measured."""
GREYS = {"qqbtree": "#7f8c8d", "sorteddict": OTHERS}
DPI = 100
SIZES_MIN = 3
"""Sizes a line needs."""


def draw(contests: Sequence[Contest], folder: Path) -> list[Path]:
    """Write what the contests can show into a folder, which is made: the files."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [
        saved(rivals(contest), folder / f"rivals-{contest.size}.png")
        for contest in contests
        if any(contest.of(name) for name in RIVALS)
    ]
    if len(contests) >= SIZES_MIN:
        made.append(saved(growth(contests), folder / "growth.png"))
    return made


def saved(figure: Figure, path: Path) -> Path:
    """Write a figure."""
    figure.savefig(path, dpi=DPI, metadata={"Software": None}, pil_kwargs={"optimize": True})
    return path


def rivals(contest: Contest) -> Figure:
    """A panel for each row: bars from the fastest to the slowest, on a logarithmic scale."""
    figure = Figure(figsize=(11, 9.5), layout="constrained")
    panels = figure.subplots(3, 3).flat
    for row, axes in zip(TIMED, panels, strict=True):
        found = sorted(
            (figure_, standing.name, standing.title)
            for standing in contest.standings
            if standing.size == contest.size and (figure_ := standing.figure(row)) is not None
        )
        places = range(len(found), 0, -1)
        axes.barh(
            places,
            [value for value, _, _ in found],
            color=[COLOURS.get(name, OTHERS) for _, name, _ in found],
            height=0.75,
            log=True,
        )
        for place, (value, _, _) in zip(places, found, strict=True):
            axes.text(value * 1.08, place, told(value), va="center", fontsize=7)
        axes.set_yticks(list(places), [title for _, _, title in found], fontsize=7.5)
        axes.set_title(row.value, fontsize=10, loc="left")
        plain(axes)
        if found:
            axes.set_xlim(found[0][0] / 2.5, found[-1][0] * 5)
        axes.xaxis.set_minor_formatter(NullFormatter())  # they would run into each other
    figure.suptitle(f"{contest.size:,} ranges: time for one operation (logarithmic)", fontsize=12)
    return figure


def growth(contests: Sequence[Contest]) -> Figure:
    """Cost over the number of ranges: what grows as log N is a straight line here."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    for row, axes in zip(GROWING, figure.subplots(1, len(GROWING)), strict=True):
        for name in GROWN:
            points = [
                (contest.size, value, standing.title)
                for contest in contests
                if (standing := contest.of(name)) is not None
                and (value := standing.figure(row)) is not None
            ]
            if row is Row.GAP and name not in (*OWN, "kernel"):
                continue  # a scan, not a search
            if len(points) >= SIZES_MIN:
                sizes, values, titles = zip(*points, strict=True)
                axes.plot(
                    sizes,
                    values,
                    marker="o",
                    markersize=4,
                    color=COLOURS.get(name) or GREYS[name],
                    label=titles[0],
                )
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_title(f"{row.value}, ns", fontsize=10, loc="left")
        axes.set_xlabel("ranges (logarithmic)", fontsize=8)
        plain(axes)
        axes.legend(fontsize=7.5, frameon=False)
    return figure


def plain(axes: Any) -> None:
    """No frame but the axes."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7.5)


def told(value: float) -> str:
    """``85 ns``, ``1.3 µs``, ``4 ms``."""
    for unit, factor in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if value < 1000 * factor or unit == "ms":
            scaled = value / factor
            places = 1 if unit != "ns" and log10(max(scaled, 1)) < 1 else 0
            return f"{scaled:.{places}f} {unit}"
    raise AssertionError
