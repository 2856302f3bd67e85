"""What users write as keys: indexes, and half-open slices of them."""

from __future__ import annotations

from operator import index

import cython
from cython import ulonglong as u64

if not cython.compiled:
    from operator import attrgetter

    start_of, stop_of, step_of = attrgetter("start"), attrgetter("stop"), attrgetter("step")

TOP = cython.declare(u64, 0xFFFFFFFFFFFFFFFF)
END = 1 << 64
"""One past the last index: the stop of a slice that reaches the end."""


def first_of(start: object) -> u64:
    """The index of an inclusive start; None is 0. IndexError outside 0 .. 2**64 - 1."""
    return 0 if start is None else index_of(start)


def last_of(first: u64, stop: object) -> u64:
    """The last index before an exclusive end; None is the end of all.

    IndexError outside 0 .. 2**64, ValueError if nothing lies between ``first`` and it.
    """
    if stop is None:
        return TOP
    whole: int = to_int(stop)
    after: u64 = 0
    if not cython.compiled and not 0 <= whole < END:
        return beyond(whole)
    try:
        after = whole
    except OverflowError:
        return beyond(whole)
    if after <= first:
        if after == 0:
            raise ValueError("the range is empty: it stops at 0")
        raise ValueError(f"the range is empty: it starts at {first}, stops at {after}")
    return after - 1


def beyond(stop: object) -> u64:
    """What `last_of` makes of an end that is no word: 2**64 is the end of all."""
    if stop != END:
        raise IndexError(f"stop {stop} is outside 0 .. 2**64")
    return TOP


def unstepped(key: slice) -> None:
    """A slice of a range map has no step: ValueError if it has."""
    if step_of(key) is not None:
        raise ValueError("a slice of a range map has no step")


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
