"""Many operations in one call, on arrays of words (``array('Q')`` or what else offers the buffer).

What one call from Python costs is more than what a walk costs; these loops run compiled. Where
nobody watches the memory, no journal is kept and no step of the engine is replaced, they take the
short way (`Quick`), which leaves the same words.
"""

from __future__ import annotations

from array import array

import cython
from cython import bint, declare
from cython import int as i32
from cython import long as word_count
from cython import ulonglong as u64

from mmtwin.maple.direct import Direct
from mmtwin.maple.join import Join
from mmtwin.maple.maple import Maple
from mmtwin.maple.spot import Spot
from mmtwin.maple.state import MaState

if not cython.compiled:
    from mmtwin.maple.words import has_gaps, in_rcu

ZERO_ENTRY = declare(u64, 0x406)
NOWHERE = declare(u64, 0xFFFFFFFFFFFFFFFF)
"""No window of two or more begins there."""


class Quick:
    """Lookups and small stores without a cursor; see `Spot`, `Share` and `Join`."""

    def __init__(self, maple: Maple, tree: u64) -> None:
        self.maple = maple
        self.tree = tree
        self.root_word = (tree + maple.root_at - maple.memory.base) >> 3
        self.gaps = has_gaps(maple, tree)
        self.spot = Spot(maple.memory, maple.gap_none)
        self.join = Join(maple, self.spot, self.gaps)

    def store(self, first: u64, last: u64, entry: u64) -> bint:
        """Store ``entry`` over ``first`` to ``last`` (inclusive) if that changes the leaves of one
        parent; False, with nothing done, if the engine must do it."""
        if (entry & 3 == 2 and entry <= 0x402) or first > last:
            return False
        spot: Spot = self.spot
        return spot.seek(self.root_word, first) and self.store_here(first, last, entry)

    def store_here(self, first: u64, last: u64, entry: u64) -> bint:
        """The same where ``spot`` has found ``first``."""
        spot: Spot = self.spot
        if spot.take(first, last, entry):
            return self.stored(entry)
        if self.join.prepare(entry):
            self.join.write()
            return True
        if not self.join.plan(first, last, entry):
            return False
        self.join.rewrite()
        return True

    def stored(self, entry: u64) -> bint:
        """Carry out what ``spot`` has prepared. True."""
        spot: Spot = self.spot
        if entry == 0 and spot.at == spot.stop and spot.slot(spot.at) == 0:
            return True
        lifts: bint = self.gaps and not spot.alone and spot.weigh(entry)
        spot.write(entry)
        if lifts:
            spot.lift()
        return True


def quick_of(maple: Maple, tree: u64) -> Quick | None:
    """The short way to a tree if it is open: plain memory, little endian words of 64 bits, no
    readers beside the writer, and the engine itself instead of a subclass."""
    memory = maple.memory
    if type(maple) is not Maple or not maple.wide or memory.big_endian:
        return None
    if memory.watcher is not None or memory.journal is not None or in_rcu(maple, tree):
        return None
    return Quick(maple, tree)


def store_many(
    maple: Maple,
    tree: u64,
    firsts: array[int],
    lasts: array[int],
    entries: array[int],
    gfp: u64,
) -> word_count:
    """``mtree_store_range`` for each range in turn; how many were stored before the first error."""
    quick: Quick | None = quick_of(maple, tree)
    count: word_count = len(firsts)
    at: word_count
    for at in range(count):
        if quick is not None and quick.store(firsts[at], lasts[at], entries[at]):
            continue
        if maple.mtree_store_range(tree, firsts[at], lasts[at], entries[at], gfp):
            return at
    return count


def load_many(maple: Maple, tree: u64, indexes: array[int], found: array[int]) -> word_count:
    """``mtree_load`` for each index into ``found``; how many were not NULL."""
    quick: Quick | None = quick_of(maple, tree)
    hits: word_count = 0
    at: word_count
    for at in range(len(indexes)):
        entry: u64
        if quick is not None:
            entry = quick.spot.load(quick.root_word, indexes[at])
            if entry == ZERO_ENTRY:
                entry = 0
        else:
            entry = maple.mtree_load(tree, indexes[at])
        found[at] = entry
        if entry != 0:
            hits += 1
    return hits


def erase_many(maple: Maple, tree: u64, indexes: array[int], found: array[int]) -> word_count:
    """``mtree_erase`` for each index into ``found``; how many ranges were removed."""
    quick: Quick | None = quick_of(maple, tree)
    hits: word_count = 0
    at: word_count
    for at in range(len(indexes)):
        entry: u64 = 0
        done: bint = False
        if quick is not None and quick.spot.seek(quick.root_word, indexes[at]):
            spot: Spot = quick.spot
            entry = spot.slot(spot.at)
            done = entry == 0 or quick.store_here(spot.start, spot.slot_end(spot.at), 0)
        if not done:
            entry = maple.mtree_erase(tree, indexes[at])
        found[at] = entry
        if entry != 0:
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
    at: word_count = 0
    direct: Direct = Direct(maple, tree)
    if direct.readable():
        if room == 0 or first > max:
            return 0
        direct.enter(first)
        return direct.pour(max, firsts, lasts, entries)
    mas: MaState = MaState(tree, first)
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
    quick: Quick | None = quick_of(maple, tree)
    count: word_count = len(sizes)
    mas: MaState = MaState(tree, min)
    direct: Direct = Direct(maple, tree)
    at: word_count
    for at in range(count):
        if not _place(direct, mas, min, max, sizes[at], from_top):
            return at
        firsts[at] = mas.index
        if quick is not None and quick.store(mas.index, mas.last, entries[at]):
            continue
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
    direct: Direct = Direct(maple, tree)
    hits: word_count = 0
    at: word_count
    for at in range(len(sizes)):
        if _place(direct, mas, lows[at], max, sizes[at], from_top):
            firsts[at] = mas.index
            hits += 1
        else:
            firsts[at] = NOWHERE
    return hits


def _place(direct: Direct, mas: MaState, min: u64, max: u64, size: u64, from_top: bint) -> bint:
    """Set the state to the window found, if there is one."""
    maple: Maple = direct.maple
    if direct.searchable():
        if maple.mas_check_window(min, max, size):
            return False
        return direct.place(mas, min, max, size, from_top)
    mas.set(min)
    error: i32
    if from_top:
        error = maple.mas_empty_area_rev(mas, min, max, size)
    else:
        error = maple.mas_empty_area(mas, min, max, size)
    return error == 0
