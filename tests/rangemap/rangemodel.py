"""A range map that is too simple to be wrong: a sorted list of ranges."""

from __future__ import annotations

from typing import Any

END = 1 << 64


class Model:
    """Ranges ``[start, last, value]``, both ends inclusive, sorted, disjoint."""

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int, Any]] = []

    def erase(self, start: int, stop: int) -> None:
        kept = []
        for first, last, value in self.ranges:
            if last < start or first >= stop:
                kept.append((first, last, value))
                continue
            if first < start:
                kept.append((first, start - 1, value))
            if last >= stop:
                kept.append((stop, last, value))
        self.ranges = kept

    def store(self, start: int, stop: int, value: Any) -> None:
        self.erase(start, stop)
        self.ranges = sorted([*self.ranges, (start, stop - 1, value)], key=lambda r: r[0])

    def at(self, index: int) -> tuple[int, int, Any] | None:
        return next((r for r in self.ranges if r[0] <= index <= r[1]), None)

    def find(self, index: int, stop: int) -> tuple[int, int, Any] | None:
        return next(
            (r for r in self.ranges if r[1] >= index and r[0] < stop and index < stop), None
        )

    def next(self, index: int) -> tuple[int, int, Any] | None:
        return next((r for r in self.ranges if r[0] > index), None)

    def prev(self, index: int) -> tuple[int, int, Any] | None:
        return next((r for r in reversed(self.ranges) if r[1] < index), None)

    def clipped(self, start: int, stop: int) -> list[tuple[int, int, Any]]:
        return [
            (max(first, start), min(last, stop - 1), value)
            for first, last, value in self.ranges
            if last >= start and first < stop
        ]

    def gaps(self, start: int, stop: int) -> list[tuple[int, int]]:
        found, at = [], start
        for first, last, _ in self.clipped(start, stop):
            if first > at:
                found.append((at, first - 1))
            at = last + 1
        if at < stop:
            found.append((at, stop - 1))
        return found

    def find_gap(self, size: int, low: int, high: int, align: int, from_top: bool) -> int | None:
        places = []
        for first, last in self.gaps(low, high) if low < high else []:
            lowest = -(-first // align) * align
            highest = (last - size + 1) // align * align
            if lowest + size - 1 <= last and highest >= lowest:
                places += [lowest, highest]
        if not places:
            return None
        return max(places) if from_top else min(places)
