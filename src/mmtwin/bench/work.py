"""The work itself: the same numbers, in the same order, for every range map.

The index space is N cells of `CELL` indexes. A range lies in each cell, of random length at a
random place, and nowhere reaches the next cell; so between two ranges there is always a gap. Each
kind of change has cells of its own (`BLOCK` cells repeat), so that one does not eat what another
was to meet; only which blocks a kind visits, and in which order, is random.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

CELL = 64
"""Indexes a cell."""
BLOCK = 64
"""Cells a block."""
SPANNED = 16
"""Ranges that an assignment of the spanning row touches."""

SPAN_AT = 4
"""First cell of a block that the spanning row overwrites."""
SPLIT_AT = range(24, 32)
"""Cells of a block whose ranges are split."""
ERASE_AT = range(40, 56)
"""Cells of a block whose ranges are erased."""

LOOKUPS = 10
"""Lookups a range, up to `LOOKUPS_MAX` of them."""
LOOKUPS_MAX = 200_000
CHANGES_MAX = 50_000
"""Most operations of one row that changes the map."""

GAP_SIZES = range(40, 54)
"""Sizes that are searched for: a gap of 40 is one in five, one of 53 one in a thousand."""

SEED = 20_260_301


class Stored(NamedTuple):
    """One assignment: ``start`` inclusive, ``stop`` exclusive."""

    start: int
    stop: int
    value: int


class Search(NamedTuple):
    """A search for so many free indexes in a row, all at or above ``low``."""

    low: int
    size: int


class Wanted(NamedTuple):
    """One allocation: so many indexes in a row, from the top."""

    size: int
    value: int


def range_of(cell: int) -> Stored:
    """The range of a cell: where it begins and how long it is look random, and are always the same.

    Knuth's multiplicative hash of the cell decides.
    """
    mixed = (cell + 1) * 2_654_435_761 >> 7
    start = cell * CELL + mixed % 8
    return Stored(start, start + 16 + (mixed >> 3) % 33, cell + 1)


class Work:
    """All the work at one size.

    Values are distinct integers above 0: every rival takes them, and none can join neighbours.
    """

    def __init__(self, count: int, seed: int = SEED) -> None:
        draw = Random(seed * 1_000_003 + count)
        self.count = count
        self.end = count * CELL
        """one past the last index of the space"""
        self.ascending = [range_of(cell) for cell in range(count)]
        self.random = draw.sample(self.ascending, count)
        self.lookups = [
            range_.start + draw.randrange(range_.stop - range_.start)
            for range_ in draw.choices(self.ascending, k=min(LOOKUPS * count, LOOKUPS_MAX))
        ]
        self.gaps = [
            Search(draw.randrange(self.end), draw.choice(GAP_SIZES))
            for _ in range(min(LOOKUPS * count, LOOKUPS_MAX // 2))
        ]
        self._value = count
        blocks = count // BLOCK
        self.splits = self._some(draw, [BLOCK * b + c for b in range(blocks) for c in SPLIT_AT])
        self.split = [self._inside(cell) for cell in self.splits]
        spans = self._some(draw, [BLOCK * b + SPAN_AT for b in range(blocks)])
        self.span = [self._across(cell) for cell in spans]
        erased = self._some(draw, [BLOCK * b + c for b in range(blocks) for c in ERASE_AT])
        self.erase = [self.ascending[cell].start + draw.randrange(8) for cell in erased]
        self.fill = [Wanted(draw.randrange(17, 49), self._next()) for _ in erased]

    def _next(self) -> int:
        self._value += 1
        return self._value

    def _some(self, draw: Random, cells: list[int]) -> list[int]:
        return draw.sample(cells, min(len(cells), CHANGES_MAX))

    def _inside(self, cell: int) -> Stored:
        start, stop, _ = self.ascending[cell]
        third = (stop - start) // 3
        return Stored(start + third, stop - third, self._next())

    def _across(self, cell: int) -> Stored:
        first, last = self.ascending[cell], self.ascending[cell + SPANNED - 1]
        return Stored((first.start + first.stop) // 2, (last.start + last.stop) // 2, self._next())
