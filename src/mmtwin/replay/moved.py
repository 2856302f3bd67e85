"""Addresses of one kernel in terms of another's, where each chose another place."""

from __future__ import annotations

from bisect import bisect_right


class Moved:
    """Ranges that lie elsewhere on the other side: by how much, range by range.

    Ranges are [start, end); what was told last holds. Everything else lies at the same address on
    both sides.
    """

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ranges: list[tuple[int, int, int]] = []

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def copy(self) -> Moved:
        """One of its own, that says the same."""
        other = Moved()
        other._starts = list(self._starts)
        other._ranges = list(self._ranges)
        return other

    def add(self, start: int, end: int, by: int) -> None:
        """From now on [start, end) lies ``by`` bytes further up on the other side."""
        self.forget(start, end)
        if by:
            at = bisect_right(self._starts, start)
            self._starts.insert(at, start)
            self._ranges.insert(at, (start, end, by))

    def forget(self, start: int, end: int) -> None:
        """[start, end) lies at the same address again."""
        kept = []
        for low, high, by in self._ranges:
            if low < start:
                kept.append((low, min(high, start), by))
            if high > end:
                kept.append((max(low, end), high, by))
        kept.sort()
        self._ranges = kept
        self._starts = [low for low, _, _ in kept]

    def by(self, address: int) -> int:
        """By how much the byte at ``address`` lies further up on the other side."""
        at = bisect_right(self._starts, address) - 1
        if at >= 0 and address < self._ranges[at][1]:
            return self._ranges[at][2]
        return 0

    def pieces(self, start: int, end: int) -> tuple[tuple[int, int], ...]:
        """Where [start, end) lies on the other side: ranges in order, joined where they touch."""
        found = []
        at = start
        while at < end:
            stop, by = end, 0
            for low, high, shift in self._ranges:
                if low <= at < high:
                    stop, by = min(end, high), shift
                    break
                if at < low < stop:
                    stop = low
            found.append((at + by, stop + by))
            at = stop
        joined: list[tuple[int, int]] = []
        for low, high in sorted(found):
            if joined and joined[-1][1] == low:
                joined[-1] = (joined[-1][0], high)
            else:
                joined.append((low, high))
        return tuple(joined)
