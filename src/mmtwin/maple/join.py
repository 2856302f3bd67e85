"""Stores over sibling leaves, and leaves that get too small: dealt out anew, in place.

As in `share`, the words are the engine's and the way is short: there are no readers. What is left
of the leaves goes to the first one or two of them, the others are freed, and their parent closes
up. Where the parent would get too small, or the leaves have different parents, the engine does it.
"""

from __future__ import annotations

from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.maple.maple import Maple
from mmtwin.maple.share import Share
from mmtwin.maple.spot import Spot
from mmtwin.memory.memory import Memory

SLOTS = declare(i32, 16)
MIN_END = declare(i32, 6)
INNER_SLOTS = declare(i32, 10)
INNER_PIVOTS = declare(i32, 9)
INNER_MIN_END = declare(i32, 4)
GAPS = declare(i32, 20)
META = declare(i32, 30)
HEIGHT_MAX = declare(i32, 32)


class Join(Share):
    """A store over the leaves ``first_child`` to ``last_child`` of one parent, of which the first
    one or two are ``kept``. Only trees that track their gaps."""

    def __init__(self, maple: Maple, spot: Spot, gaps: bint) -> None:
        super().__init__(maple, spot, gaps)
        self.first_child = self.last_child = self.kept = 0
        self.up_max = 0

    def plan(self, first: u64, last: u64, entry: u64) -> bint:
        """Prepare a store of ``entry`` over ``first`` to ``last`` (inclusive), which ``spot`` has
        found to be more than a change of its leaf; False, with nothing changed, if the engine must
        do it. `rewrite` carries it out."""
        spot: Spot = self.spot
        memory: Memory = self.memory
        if spot.full or spot.alone or not self.gaps:
            return False
        up: u64 = memory.w[spot.word]
        self.parent = up & ~255
        self.word = (self.parent - memory.base) >> 3
        self.slot = (up >> 3) & 31
        self.end = memory.w[self.word + META] & 255
        self.up_max = spot.up_max
        self.count = 0
        if last > spot.max or (last == spot.max and entry == 0):
            if not self.over_siblings(first, last, entry):
                return False
        elif not spot.small or not self.with_sibling(entry):
            return False
        return self.count > MIN_END and self.deal()

    def child_max(self, slot: i32) -> u64:
        """The last index of a child of the parent."""
        return self.up_max if slot >= self.end else self.memory.w[self.word + 1 + slot]

    def add(self, held: u64, pivot: u64) -> None:
        """Lay out one slot behind what is there."""
        self.held[self.count] = held
        self.pivot[self.count] = pivot
        self.count += 1

    # What there is.

    def over_siblings(self, first: u64, last: u64, entry: u64) -> bint:
        """Lay out what is left of the leaf on the left, the entry, and what is left of the leaf
        that holds the index behind the store. A NULL takes in the NULLs it touches."""
        spot: Spot = self.spot
        memory: Memory = self.memory
        if last >= self.up_max:
            return False
        right: i32 = self.slot
        while self.child_max(right) <= last:
            right += 1
        if right == self.slot:
            return False
        word: u64 = self.child(right)
        max: u64 = self.child_max(right)
        end: i32 = spot.end_of(word, max)
        behind: i32 = 0
        while behind < end and memory.w[word + 1 + behind] <= last:
            behind += 1
        at: i32 = spot.at
        start: u64 = spot.start
        if entry == 0:
            if spot.slot(at) == 0:
                first = start
            if first == start and at > 0 and spot.slot(at - 1) == 0:
                at -= 1
                start = memory.w[spot.word + at] + 1 if at > 0 else spot.min
                first = start
            if memory.w[word + SLOTS + behind] == 0:
                if behind == end:
                    return False
                last = memory.w[word + 1 + behind]
                behind += 1
        i: i32
        for i in range(at):
            self.add(spot.slot(i), memory.w[spot.word + 1 + i])
        if start < first:
            self.add(spot.slot(at), first - 1)
        self.add(entry, last)
        for i in range(behind, end + 1):
            self.add(memory.w[word + SLOTS + i], max if i == end else memory.w[word + 1 + i])
        self.first_child = self.slot
        self.last_child = right
        self.min = spot.min
        return True

    def with_sibling(self, entry: u64) -> bint:
        """Lay out the leaf, which gets too small, with its right sibling or else the left one."""
        spot: Spot = self.spot
        memory: Memory = self.memory
        word: u64
        if self.slot < self.end:
            word = self.child(self.slot + 1)
            max: u64 = self.child_max(self.slot + 1)
            self.gather(entry)
            self.add_leaf(word, spot.end_of(word, max), max)
            self.first_child = self.slot
            self.min = spot.min
        elif self.slot > 0:
            word = self.child(self.slot - 1)
            self.add_leaf(word, spot.end_of(word, spot.min - 1), spot.min - 1)
            self.gather(entry)
            self.first_child = self.slot - 1
            at: i32 = self.first_child
            self.min = memory.w[self.word + at] + 1 if at > 0 else spot.up_min
        else:
            return False
        self.last_child = self.first_child + 1
        return True

    def deal(self) -> bint:
        """Decide how many leaves it takes; False if the engine must do it."""
        last: i32 = self.count - 1
        self.kept = 1
        self.cut = last
        if last >= SLOTS:
            if last >= 2 * SLOTS - 1:
                return False
            self.kept = 2
            self.cut = self.no_null(last // 2, last)
        end: i32 = self.end - (self.last_child - self.first_child + 1 - self.kept)
        if end > self.end:
            return False
        root: bint = self.memory.w[self.word] & 1 != 0
        return end >= (1 if root else INNER_MIN_END)

    # Carrying it out.

    def rewrite(self) -> None:
        """Carry out what `plan` has prepared."""
        memory: Memory = self.memory
        slot: i32 = self.first_child
        pivots: u64 = self.word + 1
        gaps: u64 = self.word + GAPS
        max: u64 = self.child_max(self.last_child)
        last: i32 = self.count - 1
        self.leaf(self.child(slot), 0, self.cut)
        if self.kept == 2:
            self.leaf(self.child(slot + 1), self.cut + 1, last)
        at: i32
        for at in range(slot + self.kept, self.last_child + 1):
            self.maple.allocator.free(memory.w[self.word + 1 + INNER_PIVOTS + at] & ~255)
        self.close_up(self.last_child - slot + 1 - self.kept)
        memory.w[gaps + slot] = self.gap(0, self.cut, self.min)
        memory.w[pivots + slot] = self.pivot[self.cut] if self.kept == 2 else max
        if self.kept == 2:
            memory.w[gaps + slot + 1] = self.gap(self.cut + 1, last, self.pivot[self.cut] + 1)
            if slot + 1 < INNER_PIVOTS:
                memory.w[pivots + slot + 1] = max
        memory.d[self.word >> 9] = 1
        self.tell_all_gaps()

    def close_up(self, removed: i32) -> None:
        """Move the children behind the last one that changes down, by ``removed`` slots."""
        memory: Memory = self.memory
        if removed == 0:
            return
        pivots: u64 = self.word + 1
        slots: u64 = pivots + INNER_PIVOTS
        gaps: u64 = self.word + GAPS
        at: i32
        for at in range(self.last_child + 1, self.end + 1):
            child: u64 = memory.w[slots + at]
            where: u64 = ((child & ~255) - memory.base) >> 3
            to: u64 = at - removed
            memory.w[where] = self.parent | (to << 3) | 6
            memory.d[where >> 9] = 1
            memory.w[pivots + to] = self.child_max(at)
            memory.w[slots + to] = child
            memory.w[gaps + to] = memory.w[gaps + at]
        end: i32 = self.end - removed
        for at in range(end + 1, INNER_SLOTS):
            if at < INNER_PIVOTS:
                memory.w[pivots + at] = 0
            memory.w[slots + at] = 0
            memory.w[gaps + at] = 0
        self.end = end

    def tell_all_gaps(self) -> None:
        """The gaps upwards. Up to 6.15 the engine builds all nodes up to the root anew, which looks
        for their largest gap afresh."""
        memory: Memory = self.memory
        self.node_gap(self.word, self.end)
        if self.maple.converges:
            self.update_gaps()
            return
        word: u64 = self.word
        level: i32 = 0
        while memory.w[word] & 1 == 0:
            up: u64 = memory.w[word]
            widest: u64 = memory.w[word + GAPS + ((memory.w[word + META] >> 8) & 255)]
            word = ((up & ~255) - memory.base) >> 3
            memory.w[word + GAPS + ((up >> 3) & 31)] = widest
            self.node_gap(word, memory.w[word + META] & 255)
            level += 1
            if level > HEIGHT_MAX:
                raise RuntimeError("the tree is deeper than a maple tree can be")
