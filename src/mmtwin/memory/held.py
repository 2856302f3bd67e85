"""Arrays of 64-bit numbers that hot loops index.

Compiled rooms have these functions inlined from the package's ``__init__.pxd``, where they give
the address of the array's first element: whoever asks keeps the array and does not resize it.
"""

from __future__ import annotations

from array import array


def words_of(held: array[int]) -> array[int]:
    """The unsigned words of ``held``."""
    return held


def integers_of(held: array[int]) -> array[int]:
    """The signed numbers of ``held``."""
    return held


def copy_words(
    to: array[int] | memoryview, at: int, source: array[int] | memoryview, first: int, count: int
) -> None:
    """Copy ``count`` words from ``source[first]`` on to ``to[at]`` and on; they do not overlap."""
    for word in range(count):
        to[at + word] = source[first + word]
