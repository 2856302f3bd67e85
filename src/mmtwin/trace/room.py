"""Where a kernel puts mappings when all that matters is which addresses are free.

Enough for generated workloads, which avoid what makes the answer hang on more: no lengths that
are multiples of 2 MiB (transparent huge pages align them), nothing near a stack.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right


class Room:
    """Mapped ranges between ``low`` and ``high`` (exclusive), searched from the top."""

    def __init__(self, low: int, high: int) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._low = low
        self._high = high

    def add(self, start: int, end: int) -> None:
        """Map ``[start, end)``, over whatever is there."""
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def remove(self, start: int, end: int) -> None:
        """Unmap ``[start, end)``, mapped or not."""
        first = bisect_right(self._ends, start)
        last = bisect_left(self._starts, end)
        if first >= last:
            return
        kept = []
        if self._starts[first] < start:
            kept.append((self._starts[first], start))
        if self._ends[last - 1] > end:
            kept.append((end, self._ends[last - 1]))
        self._starts[first:last] = [low for low, _ in kept]
        self._ends[first:last] = [high for _, high in kept]

    def is_free(self, start: int, end: int) -> bool:
        """Whether nothing in ``[start, end)`` is mapped."""
        index = bisect_right(self._ends, start)
        return index == len(self._starts) or self._starts[index] >= end

    def find(self, length: int) -> int:
        """The highest free place for ``length`` bytes; 0 if there is none. O(free gaps)."""
        top = self._high
        for start, end in zip(reversed(self._starts), reversed(self._ends), strict=True):
            if top - end >= length:
                return top - length
            top = start
        return top - length if top - self._low >= length else 0
