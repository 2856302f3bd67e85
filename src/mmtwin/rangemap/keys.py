"""What users write as keys: indexes, and half-open slices of them."""

from __future__ import annotations

from operator import index

import cython
from cython import ulonglong as u64

TOP = cython.declare(u64, 0xFFFFFFFFFFFFFFFF)
END = 1 << 64
"""One past the last index: the stop of a slice that reaches the end."""


class Span:
    """A range of indexes, both ends inclusive: what a slice means to the tree."""

    def __init__(self) -> None:
        self.first = 0
        self.last = 0

    def set(self, start: object, stop: object) -> None:
        """Become ``start`` (inclusive, None for 0) to ``stop`` (exclusive, None for the end).

        IndexError outside 0 .. 2**64, ValueError if nothing lies between.
        """
        self.first = 0 if start is None else index_of(start)
        if stop is None:
            self.last = TOP
            return
        after: int = to_int(stop)
        if after <= 0 or after > END:
            if after == 0:
                raise ValueError("the range is empty: it stops at 0")
            raise IndexError(f"stop {after} is outside 0 .. 2**64")
        self.last = after - 1
        if self.last < self.first:
            raise ValueError(f"the range is empty: it starts at {self.first}, stops at {after}")

    def of(self, key: slice) -> None:
        """Become what a slice without a step says."""
        if key.step is not None:
            raise ValueError("a slice of a range map has no step")
        self.set(key.start, key.stop)


def to_int(number: object) -> int:
    """An int, or anything that is one (``__index__``). TypeError otherwise."""
    if type(number) is int:
        return number
    return int(index(number))  # type: ignore[arg-type]  # index() refuses what is none


def index_of(number: object) -> u64:
    """An index of the tree. IndexError outside 0 .. 2**64 - 1, TypeError for what is no integer."""
    whole: int = to_int(number)
    if cython.compiled:
        try:
            return whole
        except OverflowError:
            raise IndexError(f"index {whole} is outside 0 .. 2**64 - 1") from None
    if not 0 <= whole < END:
        raise IndexError(f"index {whole} is outside 0 .. 2**64 - 1")
    return whole


def size_of(number: object, name: str) -> u64:
    """A positive size or alignment below 2**64. ValueError otherwise."""
    whole: int = to_int(number)
    if not 0 < whole < END:
        raise ValueError(f"{name} {whole} is not in 1 .. 2**64 - 1")
    return whole
