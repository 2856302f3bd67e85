"""What the range map is meant to reach, held against what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmtwin.bench.peers import RIVALS
from mmtwin.bench.result import Contest, Standing, ratio
from mmtwin.bench.rows import TIMED, Row

KERNEL_FACTOR = 1.5
"""Batch entry points, against the kernel's tree."""
LOOKUP_LIMITS = {1_000: 100.0, 10_000: 150.0, 100_000: 300.0}
"""Nanoseconds for one lookup from Python."""
LOOKUP_FACTORS = {"lobtree": 2.0, "qqbtree": 2.0, "sorteddict": 8.0}
"""How many times longer a rival's lookup takes."""
LIMITS = {Row.SPLIT: 1_500.0, Row.GAP: 1_000.0}
"""Nanoseconds for one call from Python, at `LIMIT_SIZE`."""
LIMIT_SIZE = 100_000


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to reach."""

    size: int
    row: Row
    text: str
    limit: float
    measured: float
    at_least: bool = False
    unit: str = "ns"

    @property
    def reached(self) -> bool:
        """Whether it was."""
        if self.at_least:
            return self.measured >= self.limit
        return self.measured <= self.limit


def targets(contests: Sequence[Contest]) -> list[Target]:
    """All that this run can tell about."""
    return [target for contest in contests for target in of_contest(contest)]


def of_contest(contest: Contest) -> Iterator[Target]:
    """The targets at one size."""
    words, kernel, single = (contest.of(name) for name in ("words", "kernel", "maple"))
    if words is not None and kernel is not None:
        for row in TIMED:
            times = ratio(words, kernel, row)
            if times is not None:
                yield Target(
                    contest.size, row, "words, times the kernel's", KERNEL_FACTOR, times, unit="x"
                )
    if single is not None:
        yield from against_rivals(contest, single)
        yield from by_itself(contest.size, single)


def against_rivals(contest: Contest, single: Standing) -> Iterator[Target]:
    """Single calls are faster than all rivals', and lookups by a factor."""
    for row in TIMED:
        rivals = [
            (times, rival.title)
            for name in RIVALS
            if (rival := contest.of(name)) is not None
            and (times := ratio(rival, single, row)) is not None
        ]
        if rivals:
            times, title = min(rivals)
            yield Target(contest.size, row, f"{title}, times ours", 1.0, times, True, "x")
    for name, factor in LOOKUP_FACTORS.items():
        rival = contest.of(name)
        found = ratio(rival, single, Row.LOOKUP) if rival is not None else None
        if rival is not None and found is not None:
            text = f"{rival.title}, times ours"
            yield Target(contest.size, Row.LOOKUP, text, factor, found, True, "x")


def by_itself(size: int, single: Standing) -> Iterator[Target]:
    """Nanoseconds of single calls."""
    lookup = single.figure(Row.LOOKUP)
    if size in LOOKUP_LIMITS and lookup is not None:
        yield Target(size, Row.LOOKUP, "one call", LOOKUP_LIMITS[size], lookup)
    if size == LIMIT_SIZE:
        for row, limit in LIMITS.items():
            figure = single.figure(row)
            if figure is not None:
                yield Target(size, row, "one call", limit, figure)
