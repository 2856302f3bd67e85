"""The race of 2014 on the pageblock bitmap: two CPUs change bits of one word, bit by bit.

Up to 3.15 a type was written with one unlocked read-modify-write a bit, and so was the skip bit;
only the type's writer held ``zone->lock``. All interleavings of their loads and stores are run
here on the word itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from mmtwin.pages.pageblock import Pageblocks

SKIP = 3
"""The number of the skip bit within a block's four."""
TYPE_BITS = 3


def _set_bits(pages: Pageblocks, pfn: int, first: int, values: list[int]) -> Iterator[None]:
    """Write bits of a block one by one; a step is one load or one store."""
    address = pages.pageblock_word(pfn)
    shift = pages.pageblock_shift(pfn)
    for nth, value in enumerate(values):
        mask = 1 << (shift + first + nth)
        word = pages.memory.load(address)
        yield
        pages.memory.store(address, word | mask if value else word & ~mask)
        yield


def interleavings(
    pages: Pageblocks, type_pfn: int, old: int, new: int, skip_pfn: int
) -> Iterator[tuple[int, bool]]:
    """Change a block's type from ``old`` to ``new`` while another CPU sets a skip bit.

    For each order of their loads and stores: the type that the block ends with, and whether the
    skip bit got lost. Leaves the word as it was.
    """
    address = pages.pageblock_word(type_pfn)
    before = pages.memory.load(address)
    steps = 2 * TYPE_BITS + 2
    for skip_at in combinations(range(steps), 2):
        pages.memory.store(address, before)
        pages.set_pfnblock_flags_mask(type_pfn, old, 7)
        pages.set_pfnblock_flags_mask(skip_pfn, 0, 1 << SKIP)
        writer = _set_bits(pages, type_pfn, 0, [new >> bit & 1 for bit in range(TYPE_BITS)])
        skipper = _set_bits(pages, skip_pfn, SKIP, [1])
        for step in range(steps):
            next(skipper if step in skip_at else writer)
        lost = pages.get_pfnblock_flags(skip_pfn) >> SKIP & 1 == 0
        yield pages.get_pfnblock_flags(type_pfn) & 7, lost
    pages.memory.store(address, before)


def final_types(pages: Pageblocks, pfn: int, old: int, new: int, skip_pfn: int) -> set[int]:
    """All types that the block can end with."""
    return {final for final, _ in interleavings(pages, pfn, old, new, skip_pfn)}
