"""Many operations in one call, on arrays of words (``array('Q')`` or what else offers the buffer).

What one call from Python costs is more than what a walk costs; these loops run compiled.
"""

from __future__ import annotations

from array import array

from cython import bint, declare
from cython import int as i32
from cython import long as word_count
from cython import ulonglong as u64

from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState

NOWHERE = declare(u64, 0xFFFFFFFFFFFFFFFF)
"""No window of two or more begins there."""


def store_many(
    maple: Maple,
    tree: u64,
    firsts: array[int],
    lasts: array[int],
    entries: array[int],
    gfp: u64,
) -> word_count:
    """``mtree_store_range`` for each range in turn; how many were stored before the first error."""
    count: word_count = len(firsts)
    at: word_count
    for at in range(count):
        if maple.mtree_store_range(tree, firsts[at], lasts[at], entries[at], gfp):
            return at
    return count


def load_many(maple: Maple, tree: u64, indexes: array[int], found: array[int]) -> word_count:
    """``mtree_load`` for each index into ``found``; how many were not NULL."""
    hits: word_count = 0
    at: word_count
    for at in range(len(indexes)):
        found[at] = maple.mtree_load(tree, indexes[at])
        if found[at] != 0:
            hits += 1
    return hits


def erase_many(maple: Maple, tree: u64, indexes: array[int], found: array[int]) -> word_count:
    """``mtree_erase`` for each index into ``found``; how many ranges were removed."""
    hits: word_count = 0
    at: word_count
    for at in range(len(indexes)):
        found[at] = maple.mtree_erase(tree, indexes[at])
        if found[at] != 0:
            hits += 1
    return hits


def find_many(
    maple: Maple,
    tree: u64,
    first: u64,
    max: u64,
    firsts: array[int],
    lasts: array[int],
    entries: array[int],
) -> word_count:
    """The entries from ``first`` to ``max`` (inclusive) in order, as many as the arrays hold."""
    room: word_count = len(entries)
    mas: MaState = MaState(tree, first)
    at: word_count = 0
    while at < room:
        entry: u64 = maple.mas_find(mas, max)
        if entry == 0:
            break
        firsts[at] = mas.index
        lasts[at] = mas.last
        entries[at] = entry
        at += 1
    return at


def fill_many(
    maple: Maple,
    tree: u64,
    min: u64,
    max: u64,
    sizes: array[int],
    entries: array[int],
    firsts: array[int],
    from_top: bint,
    gfp: u64,
) -> word_count:
    """Find room for each size in ``min`` to ``max`` (inclusive) and store there; where it was goes
    to ``firsts``. How many found room before the first that did not, or for which memory ran out.
    """
    count: word_count = len(sizes)
    mas: MaState = MaState(tree, min)
    at: word_count
    for at in range(count):
        mas.set(min)
        error: i32
        if from_top:
            error = maple.mas_empty_area_rev(mas, min, max, sizes[at])
        else:
            error = maple.mas_empty_area(mas, min, max, sizes[at])
        if error:
            return at
        firsts[at] = mas.index
        if maple.mas_store_gfp(mas, entries[at], gfp):
            return at
    return count


def search_many(
    maple: Maple,
    tree: u64,
    lows: array[int],
    max: u64,
    sizes: array[int],
    firsts: array[int],
    from_top: bint,
) -> word_count:
    """Find room for each size between each of ``lows`` and ``max`` (inclusive). Where it begins
    goes to ``firsts``, `NOWHERE` for those without. How many found room.
    """
    mas: MaState = MaState(tree, 0)
    hits: word_count = 0
    at: word_count
    for at in range(len(sizes)):
        mas.set(0)
        error: i32
        if from_top:
            error = maple.mas_empty_area_rev(mas, lows[at], max, sizes[at])
        else:
            error = maple.mas_empty_area(mas, lows[at], max, sizes[at])
        if error:
            firsts[at] = NOWHERE
        else:
            firsts[at] = mas.index
            hits += 1
    return hits
