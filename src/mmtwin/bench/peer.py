"""What a range map must be able to do to be measured.

An adapter hands out *loops*: functions without arguments that do a number of operations, with
everything prepared before. Only the loop runs under the stopwatch, and it is written the way a
careful user of that range map would write it: a lookup is the expression itself, a store is the
map's own if it overwrites, cuts and splits, or else a method that does so by hand.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter_ns, process_time_ns
from typing import ClassVar, Protocol

from mmtwin.bench.work import Search, Stored, Wanted

Loop = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Took:
    """Nanoseconds of some work: of the processor, and by the clock on the wall."""

    cpu: int = 0
    wall: int = 0

    def __add__(self, other: Took) -> Took:
        return Took(self.cpu + other.cpu, self.wall + other.wall)


def took(loop: Loop) -> Took:
    """Run a loop under the stopwatch. A loop may bring a `Took` of its own clock."""
    wall, cpu = perf_counter_ns(), process_time_ns()
    own = loop()
    cpu, wall = process_time_ns() - cpu, perf_counter_ns() - wall
    return own if isinstance(own, Took) else Took(cpu, wall)


class Subscripted(Protocol):
    """What can be asked by index."""

    def __getitem__(self, key: int, /) -> object: ...


class Peer(ABC):
    """One range map of one kind, empty at first. ``count`` is how many ranges are to come.

    Where loops return something it is the result of their last operation.
    """

    name: ClassVar[str]
    package: ClassVar[str] = ""
    """the distribution it comes from, whose version is told"""
    ceiling: ClassVar[int] = 1_000_000
    """most ranges it is asked to hold, for the memory they would take"""
    in_bulk: ClassVar[bool] = False
    """whether a loop is one call for many operations: then none is made for just one"""
    own_clock: ClassVar[bool] = False
    """whether its loops return a `Took` instead of a result"""

    def __init__(self, count: int) -> None:
        self.count = count

    @abstractmethod
    def stores(self, ranges: Sequence[Stored]) -> Loop:
        """Assign values to ranges; what was there is overwritten, cut and split."""

    @abstractmethod
    def lookups(self, keys: Sequence[int]) -> Loop:
        """Look values up. A LookupError or ValueError where no range holds the key."""

    @abstractmethod
    def iterates(self) -> Loop:
        """Go through start, end and value of all ranges in order."""

    @abstractmethod
    def gaps(self, searches: Sequence[Search], end: int) -> Loop:
        """Find the lowest gap with room at or above an index and below ``end`` (exclusive).

        The result is where the room begins, or None if there is none.
        """

    @abstractmethod
    def erases(self, keys: Sequence[int]) -> Loop:
        """Remove the whole ranges that hold the keys, all of which exist."""

    @abstractmethod
    def fills(self, wanted: Sequence[Wanted], end: int) -> Loop:
        """Find the highest gap below ``end`` (exclusive) that has room, and store at its top."""

    @abstractmethod
    def ranges(self) -> list[Stored]:
        """All ranges in order."""

    def bytes(self) -> int | None:
        """Bytes in use, if the map itself knows better than the process."""
        return None

    def close(self) -> None:
        """Let go of what a garbage collector does not."""
        return


class Scanning(Peer):
    """A range map that has no search for gaps: all ranges are looked through for one.

    Assignments are `store`, unless the map has an expression of its own for `stores`.
    """

    @abstractmethod
    def store(self, start: int, stop: int, value: int) -> None:
        """Assign a value to a range; what was there is overwritten, cut and split."""

    @abstractmethod
    def ascending(self, low: int) -> Iterator[tuple[int, int]]:
        """``(start, stop)`` of the ranges that end above ``low``, in order."""

    @abstractmethod
    def descending(self) -> Iterator[tuple[int, int]]:
        """``(start, stop)`` of all ranges from the top."""

    def stores(self, ranges: Sequence[Stored]) -> Loop:
        """By `store`."""
        store = self.store

        def loop() -> None:
            for start, stop, value in ranges:
                store(start, stop, value)

        return loop

    def gaps(self, searches: Sequence[Search], end: int) -> Loop:
        """By a scan upwards from the index."""
        ascending = self.ascending

        def loop() -> object:
            place = None
            for low, size in searches:
                place = lowest_gap(ascending(low), low, size, end)
            return place

        return loop

    def fills(self, wanted: Sequence[Wanted], end: int) -> Loop:
        """By a scan from the top."""
        descending, store = self.descending, self.store

        def loop() -> object:
            place = None
            for size, value in wanted:
                place = highest_gap(descending(), size, end)
                store(place, place + size, value)
            return place

        return loop


class Unordered(Scanning):
    """A range map that gives its ranges in no order: every look at all of them is a sort."""

    @abstractmethod
    def in_order(self) -> list[tuple[int, int, int]]:
        """``(start, stop, value)`` of all ranges, sorted."""

    def iterates(self) -> Loop:
        """Sorted."""
        in_order = self.in_order

        def loop() -> None:
            for _start, _stop, _value in in_order():
                pass

        return loop

    def ascending(self, low: int) -> Iterator[tuple[int, int]]:
        """Sorted."""
        return ((start, stop) for start, stop, _ in self.in_order() if stop > low)

    def descending(self) -> Iterator[tuple[int, int]]:
        """Sorted."""
        return ((start, stop) for start, stop, _ in reversed(self.in_order()))

    def ranges(self) -> list[Stored]:
        """All of them."""
        return [Stored(*found) for found in self.in_order()]


def subscripts(range_map: Subscripted, keys: Sequence[int]) -> Loop:
    """The lookups of a map that can do ``map[key]``."""

    def loop() -> object:
        value = None
        for key in keys:
            value = range_map[key]
        return value

    return loop


def highest_gap(descending: Iterable[tuple[int, int]], size: int, end: int) -> int:
    """The top ``size`` indexes of the highest gap that has them, by a look at every range.

    ``descending`` gives ``(start, stop)`` from the top. ValueError if there is no such gap.
    """
    high = end
    for start, stop in descending:
        if high - stop >= size:
            return high - size
        high = start
    if high < size:
        raise ValueError(f"no gap of {size}")
    return high - size


def lowest_gap(ascending: Iterable[tuple[int, int]], low: int, size: int, end: int) -> int | None:
    """The lowest ``size`` free indexes at or above ``low``, by a look at every range from there.

    ``ascending`` gives ``(start, stop)`` of the ranges that end above ``low``. None if there is no
    such gap below ``end``.
    """
    for start, stop in ascending:
        if start >= low + size:
            return low
        low = stop
    return low if end - low >= size else None
