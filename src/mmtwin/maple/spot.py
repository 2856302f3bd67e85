"""A place in a leaf, and stores that only change this leaf.

Most stores neither fill a leaf up nor empty it: some slots of it give way to one to three others,
and the rest moves. The kernel has four ways to do that, all with the same outcome; this is a fifth,
without the cursor that the others need. What is more than that, the engine does.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.memory.memory import Memory

if not cython.compiled:

    def fetch_node(_memory: Memory, _word: int) -> None:
        """Tell the processor that all of the node at a word of memory will be read: its four cache
        lines then come at once, not one after another."""


TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)
ARANGE_BITS = declare(u64, 0x18)
LEAF_BITS = declare(u64, 0x08)
TYPE_BITS = declare(u64, 0x78)
HEIGHT_MAX = declare(i32, 32)
PIVOTS = declare(i32, 15)
SLOTS = declare(i32, 16)
MIN_END = declare(i32, 6)
"""The least data end of a leaf that is not the root."""
META = declare(i32, 31)
"""The word of a leaf that holds the metadata, or its last slot."""
UP_META = declare(i32, 30)
"""The word of a node above that holds the metadata."""
GAPS = declare(i32, 20)
"""The first word of the gaps of a node above."""


class Spot:
    """The slots ``at`` to ``stop`` of a leaf, which a store changes.

    They cover ``start`` to ``high``; the leaf begins at the word ``word`` of memory, covers up to
    ``max`` and has its last slot at ``end``. ``first`` to ``last`` is what is stored. The node
    above it, unless it is ``alone``, covers ``up_min`` to ``up_max``. All ranges are inclusive.
    ``taken`` and ``made`` are the longest free runs that the store takes and makes.
    """

    def __init__(self, memory: Memory, gap_none: i32) -> None:
        self.memory = memory
        self.gap_none = gap_none

    def seek(self, root_word: u64, index: u64) -> bint:
        """Walk from the root to the slot that holds ``index``; False if the tree has no nodes.

        A pivot of 0 behind the first slot means that the slot is the last one. Counted from one
        below, as they are here, it is the highest number there is.
        """
        memory: Memory = self.memory
        enode: u64 = memory.w[root_word]
        if enode & 3 != 2 or enode <= 4096:
            return False
        low: u64 = 0
        high: u64 = TOP
        below: u64 = index - 1 if index != 0 else 0
        level: i32 = 0
        while level < HEIGHT_MAX:
            word: u64 = ((enode & ~255) - memory.base) >> 3
            fetch_node(memory, word)
            pivots: i32 = 9 if enode & TYPE_BITS == ARANGE_BITS else PIVOTS
            at: i32 = 0
            if index > memory.w[word + 1]:
                at = 1
                while at < pivots and ((memory.w[word + 1 + at] - 1) & TOP) < below:
                    at += 1
            if enode & TYPE_BITS == LEAF_BITS:
                self.word = word
                self.enode = enode & ~2
                self.at = at
                self.start = memory.w[word + at] + 1 if at > 0 else low
                self.min = low
                self.max = high
                self.alone = level == 0
                self.end = self.end_of(word, high)
                return True
            self.up_min = low
            self.up_max = high
            if at > 0:
                low = memory.w[word + at] + 1
            if at < pivots and (at == 0 or memory.w[word + 1 + at] != 0):
                high = memory.w[word + 1 + at]
            enode = memory.w[word + 1 + pivots + at]
            level += 1
        raise RuntimeError("the tree is deeper than a maple tree can be")

    def load(self, root_word: u64, index: u64) -> u64:
        """The entry at ``index``, 0 for none.

        The walk of ``mtree_load`` without its tests for dead nodes: nobody writes meanwhile. Pivots
        as in `seek`.
        """
        memory: Memory = self.memory
        enode: u64 = memory.w[root_word]
        if enode & 3 != 2 or enode <= 4096:
            return enode if index == 0 else 0
        below: u64 = index - 1 if index != 0 else 0
        level: i32 = 0
        while level < HEIGHT_MAX:
            level += 1
            word: u64 = (((enode & ~255) - memory.base) >> 3) + 1
            fetch_node(memory, word - 1)
            pivots: i32 = 9 if enode & TYPE_BITS == ARANGE_BITS else PIVOTS
            at: i32 = 0
            if index > memory.w[word]:
                at = 1
                while at < pivots and ((memory.w[word + at] - 1) & TOP) < below:
                    at += 1
            if enode & TYPE_BITS == LEAF_BITS:
                return memory.w[word + pivots + at]
            enode = memory.w[word + pivots + at]
        raise RuntimeError("the tree is deeper than a maple tree can be")

    def end_of(self, word: u64, max: u64) -> i32:
        """The last slot in use of the leaf at ``word`` that covers up to ``max``."""
        pivot: u64 = self.memory.w[word + PIVOTS]
        if pivot == 0:
            return self.memory.w[word + META] & 255
        return PIVOTS - 1 if pivot == max else PIVOTS

    def slot(self, at: i32) -> u64:
        """The entry in a slot."""
        return self.memory.w[self.word + SLOTS + at]

    def slot_end(self, at: i32) -> u64:
        """The last index of a slot, inclusive."""
        return self.max if at >= self.end else self.memory.w[self.word + 1 + at]

    def take(self, first: u64, last: u64, entry: u64) -> bint:
        """Prepare a store of ``entry`` over a range that begins in the slot ``at``.

        False if that is more than a change of this leaf: it ends elsewhere, the leaf would hold
        too much (``full``) or too little (``small``), or the NULLs that join would end it. `write`
        carries it out.
        """
        self.full = self.small = False
        if last > self.max:
            return False
        stop: i32 = self.at
        while stop < self.end and self.memory.w[self.word + 1 + stop] < last:
            stop += 1
        self.stop = stop
        self.high = self.slot_end(stop)
        self.first = first
        self.last = last
        if entry == 0:
            self.widen()
            if self.last == self.max and (self.max != TOP or self.first == 0):
                return False
        new_end: i32 = self.end + self.growth()
        self.full = new_end >= SLOTS
        self.small = not self.alone and new_end < MIN_END
        return not self.full and not self.small

    def growth(self) -> i32:
        """By how many slots the leaf grows."""
        more: i32 = self.at - self.stop
        if self.first > self.start:
            more += 1
        if self.last < self.high:
            more += 1
        return more

    def widen(self) -> None:
        """A NULL takes in the NULLs it touches: two never lie side by side."""
        if self.slot(self.stop) == 0:
            self.last = self.high
        elif self.last == self.high and self.stop < self.end and self.slot(self.stop + 1) == 0:
            self.stop += 1
            self.high = self.slot_end(self.stop)
            self.last = self.high
        if self.slot(self.at) == 0:
            self.first = self.start
        elif self.first == self.start and self.at > 0 and self.slot(self.at - 1) == 0:
            self.at -= 1
            self.start = self.memory.w[self.word + self.at] + 1 if self.at > 0 else self.min
            self.first = self.start

    def weigh(self, entry: u64) -> bint:
        """Note which free runs the store takes and makes; False if none. Not for a leaf ``alone``,
        where a run may be all there is."""
        taken: u64 = 0
        low: u64 = self.start
        at: i32 = self.at
        while at <= self.stop:
            high: u64 = self.slot_end(at)
            if self.slot(at) == 0 and high - low >= taken:
                taken = high - low + 1
            low = high + 1
            at += 1
        self.taken = taken
        self.made = 0
        if entry == 0:
            self.made = self.last - self.first + 1
        elif taken != 0:
            if self.slot(self.at) == 0:
                self.made = self.first - self.start
            if self.slot(self.stop) == 0 and self.high - self.last > self.made:
                self.made = self.high - self.last
        return taken != 0 or entry == 0

    def write(self, entry: u64) -> None:
        """Carry out the store that `take` prepared."""
        memory: Memory = self.memory
        pivot: u64 = self.word + 1
        slot: u64 = self.word + SLOTS
        content: u64 = memory.w[slot + self.at]
        tail: u64 = memory.w[slot + self.stop]
        more: i32 = self.growth()
        self.move(more)
        new_end: i32 = self.end + more
        at: i32 = self.at
        if self.first > self.start:
            memory.w[pivot + at] = self.first - 1
            memory.w[slot + at] = content
            at += 1
        memory.w[slot + at] = entry
        if at < PIVOTS:
            memory.w[pivot + at] = self.last
        if self.last < self.high:
            at += 1
            memory.w[slot + at] = tail
            if at < PIVOTS:
                memory.w[pivot + at] = self.high
        if new_end < PIVOTS:
            memory.w[self.word + META] = new_end
        memory.d[self.word >> 9] = 1
        self.end = new_end

    def move(self, more: i32) -> None:
        """Move what lies behind ``stop`` by ``more`` slots, up or down, and clear what is left."""
        memory: Memory = self.memory
        pivot: u64 = self.word + 1
        slot: u64 = self.word + SLOTS
        at: i32
        if more > 0:
            at = self.end
            while at > self.stop:
                memory.w[slot + at + more] = memory.w[slot + at]
                if at + more < PIVOTS:
                    memory.w[pivot + at + more] = memory.w[pivot + at]
                at -= 1
        elif more < 0:
            at = self.stop + 1
            while at <= self.end:
                memory.w[slot + at + more] = memory.w[slot + at]
                memory.w[pivot + at + more] = self.slot_end(at)
                at += 1
            at = self.end + more + 1
            while at <= self.end:
                memory.w[slot + at] = 0
                if at < PIVOTS:
                    memory.w[pivot + at] = 0
                at += 1

    # The gaps above.

    def lift(self) -> i32:
        """Tell the nodes above of the free runs that `weigh` has noted, after `write`. Returns 0.

        What ``mas_update_gap`` does; it looks through the leaf only if the longest run may be gone.
        """
        memory: Memory = self.memory
        up: u64 = memory.w[self.word]
        word: u64 = ((up & ~255) - memory.base) >> 3
        at: i32 = (up >> 3) & 31
        old: u64 = memory.w[word + GAPS + at]
        new: u64 = self.made
        if new <= old:
            if new == old or self.taken < old:
                return 0
            new = self.widest()
        if new != old:
            self.carry(word, at, new)
        return 0

    def widest(self) -> u64:
        """The longest free run of the leaf."""
        memory: Memory = self.memory
        slot: u64 = self.word + SLOTS
        found: u64 = 0
        low: u64 = self.min
        at: i32
        for at in range(self.end + 1):
            high: u64 = self.max if at == self.end else memory.w[self.word + 1 + at]
            if memory.w[slot + at] == 0 and high - low >= found:
                found = high - low + 1
            low = high + 1
        return found

    def largest(self, word: u64) -> u64:
        """The largest gap that a node above knows of."""
        at: u64 = (self.memory.w[word + UP_META] >> 8) & 255
        if self.gap_none != 0 and at == self.gap_none:
            return 0
        return self.memory.w[word + GAPS + at]

    def carry(self, word: u64, at: i32, new: u64) -> i32:
        """Make the gap number ``at`` of a node above ``new``, and go on up while the largest
        changes: ``mas_parent_gap``. Returns 0."""
        memory: Memory = self.memory
        _level: i32
        for _level in range(HEIGHT_MAX):
            largest: u64 = self.largest(word)
            meta: u64 = memory.w[word + UP_META]
            largest_at: i32 = (meta >> 8) & 255
            memory.w[word + GAPS + at] = new
            memory.d[word >> 9] = 1
            if new == largest:
                return 0
            if at != largest_at:
                if new < largest:
                    return 0
                largest_at = at
            elif new < largest:
                largest_at = self.search(word, meta & 255)
                new = memory.w[word + GAPS + largest_at]
            where: u64 = largest_at
            memory.w[word + UP_META] = (meta & ~0xFF00) | (where << 8)
            up: u64 = memory.w[word]
            if up & 1:
                return 0
            at = (up >> 3) & 31
            word = ((up & ~255) - memory.base) >> 3
        raise RuntimeError("the tree is deeper than a maple tree can be")

    def search(self, word: u64, end: i32) -> i32:
        """Which gap of a node is the largest: the last of equals, ``end`` if all are 0."""
        memory: Memory = self.memory
        found: i32 = end
        at: i32 = end
        while at >= 0:
            if memory.w[word + GAPS + at] > memory.w[word + GAPS + found]:
                found = at
            at -= 1
        return found
