"""Many numbers at once: whatever users have them in, as 64-bit words."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any

from cython import longlong as i64
from cython import ulonglong as u64

NATIVE = frozenset({"Q", "L", "=Q", "<Q", "@Q", "@L"})
"""Buffer formats of unsigned 64-bit words, as NumPy and ``array`` name them."""


class Words:
    """An array of unsigned 64-bit words.

    Takes an ``array('Q')`` as it is, any buffer of 64-bit words or of integers, or any iterable of
    integers. IndexError for a number outside 0 .. 2**64 - 1.
    """

    def __init__(self, numbers: Iterable[Any]) -> None:
        try:
            self.held = array_of(numbers)
        except OverflowError:
            raise IndexError("a number is outside 0 .. 2**64 - 1") from None
        self.view = self.held
        self.count = len(self.held)

    def at(self, place: i64) -> u64:
        """The word at a place from 0 to count - 1, which is not checked."""
        return self.view[place]


def array_of(numbers: Iterable[Any]) -> array[int]:
    """The numbers as an ``array('Q')``, without a copy if they are one."""
    if isinstance(numbers, array) and numbers.typecode == "Q":
        return numbers
    words = array("Q")
    try:
        buffer = memoryview(numbers)  # type: ignore[arg-type]  # whether it is one is the question
    except TypeError:
        words.extend(numbers)
        return words
    if buffer.itemsize == 8 and buffer.format in NATIVE:
        words.frombytes(buffer.tobytes())
    else:
        words.extend(buffer.tolist())
    return words
