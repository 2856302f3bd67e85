"""The measurements as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmtwin.bench.peers import OWN
from mmtwin.bench.result import Contest, Standing, ratio
from mmtwin.bench.rows import MEANING, Row
from mmtwin.bench.targets import Target

INTRODUCTION = """\
By `{command}`; this page is written by it. Figures are nanoseconds of the processor for one
operation, the middle of the rounds; the last column is bytes a range. docs/benchmarks.md has the
method."""


def page(
    contests: Sequence[Contest],
    targets: Sequence[Target],
    around: Mapping[str, str],
    command: str,
    spread: float,
) -> str:
    """All of a run: where it was, the figures at each size, ratios, targets."""
    parts = [
        "# What was measured",
        INTRODUCTION.format(command=command),
        "\n".join(f"* {name}: {value}" for name, value in around.items())
        + f"\n* spread from the best round to the worst, typically: {spread:.0%}",
        table(["row", "one operation"], [[row.value, MEANING[row]] for row in Row]),
    ]
    for contest in contests:
        parts += [f"## {contest.size:,} ranges", figures(contest)]
        times = against(contest, "kernel", OWN)
        if times:
            parts += ["Times the kernel's C tree:", times]
    parts += ["## Targets", table(["ranges", "row", "what", "target", "found", ""], rows(targets))]
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def exact(value: float | None) -> str:
    """A figure with all its places, - for none."""
    return "-" if value is None else f"{value:,.0f}"


def figures(contest: Contest) -> str:
    """A line for each range map."""
    return table(
        ["", *(row.value for row in Row)],
        [
            [
                title_of(standing, contest.size),
                *(exact(standing.figure(row)) for row in Row),
            ]
            for standing in contest.standings
        ],
    )


def title_of(standing: Standing, size: int) -> str:
    """The title, with the size if it was given less."""
    if standing.trouble:
        return f"{standing.title} ({standing.trouble})"
    if standing.size != size:
        return f"{standing.title}, {standing.size:,} ranges"
    return standing.title


def against(contest: Contest, base: str, names: Sequence[str]) -> str:
    """Ratios to one of them."""
    reference = contest.of(base)
    if reference is None:
        return ""
    body = []
    for name in names:
        standing = contest.of(name)
        if standing is not None:
            ratios = [ratio(standing, reference, row) for row in Row]
            body.append([standing.title, *("-" if r is None else f"{r:.2f}" for r in ratios)])
    return table(["", *(row.value for row in Row)], body)


def rows(targets: Sequence[Target]) -> list[list[str]]:
    """The targets, a line each."""
    return [
        [
            f"{target.size:,}",
            target.row.value,
            target.text,
            f"{'≥' if target.at_least else '≤'} {target.limit:,g} {target.unit}",
            f"{target.measured:,.{2 if target.unit == 'x' else 0}f}",
            "reached" if target.reached else "**missed**",
        ]
        for target in targets
    ]
