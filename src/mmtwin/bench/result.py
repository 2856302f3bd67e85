"""What the rounds add up to."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

from mmtwin.bench.life import PARTIAL, Life, Reading
from mmtwin.bench.rows import Row


@dataclass(slots=True)
class Cell:
    """One row of one range map at one size: a figure for each round."""

    each: list[float] = field(default_factory=list)
    """nanoseconds of the processor an operation"""
    wall: list[float] = field(default_factory=list)
    """nanoseconds on the wall an operation"""
    operations: int = 0
    """in one round"""
    complete: bool = True

    def add(self, reading: Reading) -> None:
        """Take a round's reading."""
        self.each.append(reading.each)
        self.wall.append(reading.took.wall / reading.done if reading.done else 0.0)
        self.operations = reading.done
        self.complete = self.complete and reading.complete

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return median(self.each)

    @property
    def spread(self) -> float:
        """Distance of the worst round from the best, as a part of the middle one."""
        return (max(self.each) - min(self.each)) / self.median if self.median else 0.0


@dataclass(slots=True)
class Standing:
    """One range map at one size, after all rounds."""

    name: str
    title: str
    size: int
    """ranges it was given"""
    cells: dict[Row, Cell] = field(default_factory=dict)
    bytes: float | None = None
    """bytes a range"""
    digest: int | None = None
    trouble: str | None = None
    """why it could not be measured"""
    seconds: float = 0.0
    """of the processor, for the last round"""

    def add(self, life: Life) -> None:
        """Take a round."""
        self.seconds = life.seconds
        for row, reading in life.readings.items():
            self.cells.setdefault(row, Cell()).add(reading)
        self.digest = self.digest if life.digest is None else life.digest

    def figure(self, row: Row) -> float | None:
        """The figure to show: None if the row was not done, or not to the end where it must be."""
        if row is Row.MEMORY:
            return self.bytes
        cell = self.cells.get(row)
        if cell is None or (not cell.complete and row not in PARTIAL):
            return None
        return cell.median

    def complete(self, row: Row) -> bool:
        """Whether all of a row was done, as far as it was begun."""
        cell = self.cells.get(row)
        return cell is None or cell.complete

    @property
    def too_slow(self) -> bool:
        """Whether not even the easier of the two orders came to an end."""
        return not self.complete(Row.ASCENDING)


def ratio(one: Standing, other: Standing, row: Row) -> float | None:
    """How many times the time of ``other`` that ``one`` needs: the middle of the rounds' ratios."""
    if one.figure(row) is None or other.figure(row) is None:
        return None
    if row is Row.MEMORY:
        assert one.bytes is not None
        assert other.bytes is not None
        return one.bytes / other.bytes
    pairs = zip(one.cells[row].each, other.cells[row].each, strict=False)
    ratios = [mine / its for mine, its in pairs if its]
    return median(ratios) if ratios else None


@dataclass(slots=True)
class Contest:
    """All range maps at one size."""

    size: int
    standings: list[Standing] = field(default_factory=list)

    def of(self, name: str) -> Standing | None:
        """The standing of one, if it was measured at this very size."""
        return next((s for s in self.standings if s.name == name and s.size == self.size), None)

    def agree(self) -> bool:
        """Whether all that came to the end with all rows hold the same ranges then."""
        digests = {s.digest for s in self.standings if s.size == self.size} - {None}
        return len(digests) <= 1
