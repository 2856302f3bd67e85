"""Reading a tree's words directly, for loops that only read: no cursor, no test for dead nodes.

It is for whoever holds the tree's lock, on 64-bit nodes in memory that nobody watches, and where
no step of the engine is replaced (`readable`). What it finds, the kernel's walks find: lookups,
the slots in order, and the lowest and the highest gap of a size.
"""

from __future__ import annotations

from array import array

import cython
from cython import bint, cfunc, declare, exceptval, inline
from cython import int as i32
from cython import long as word_count
from cython import ulonglong as u64

from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState
from mmtwin.memory.memory import Memory

if not cython.compiled:
    from mmtwin.maple.spot import fetch_node

TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)
LEAF_BITS = declare(u64, 0x08)
RANGE_BITS = declare(u64, 0x10)
ARANGE_BITS = declare(u64, 0x18)
TYPE_BITS = declare(u64, 0x78)
HEIGHT_MAX = declare(i32, 32)
ACTIVE = declare(i32, 0)
ARANGE_SLOTS = declare(i32, 10)
CYCLE = "the tree is deeper than a maple tree can be, or its nodes overlap"


@cfunc
@inline
@exceptval(0xDEADBEEFDEADBEEF, check=True)
def words_of(memory: Memory, enode: u64) -> u64:
    """The first word of a node. BadAccess if it is none of memory."""
    node: u64 = enode & ~255
    if node < memory.base or node - memory.base >= memory.limit:
        memory.load(node)
    return (node - memory.base) >> 3


@cfunc
@inline
@exceptval(check=False)
def slot_of(memory: Memory, word: u64, pivots: i32, index: u64) -> i32:
    """The slot of a node that holds ``index``.

    A pivot of 0 behind the first slot means that the slot is the last one; counted from one
    below, it is the highest number there is.
    """
    if index <= memory.w[word + 1]:
        return 0
    below: u64 = index - 1
    at: i32 = 1
    while at < pivots and ((memory.w[word + 1 + at] - 1) & TOP) < below:
        at += 1
    return at


@cfunc
@inline
@exceptval(check=False)
def slot_end(memory: Memory, word: u64, pivots: i32, at: i32, max: u64) -> u64:
    """The last index of a slot of a node that ends at ``max``."""
    if at < pivots:
        pivot: u64 = memory.w[word + 1 + at]
        if pivot != 0 or at == 0:
            return pivot
    return max


@cfunc
@inline
@exceptval(check=False)
def fits(
    memory: Memory,
    leaf: bint,
    word: u64,
    at: i32,
    low: u64,
    high: u64,
    first: u64,
    last: u64,
    size: u64,
) -> bint:
    """Whether a slot is a gap with enough of the window, or may have one below it."""
    if not leaf:
        return memory.w[word + 2 * ARANGE_SLOTS + at] >= size
    if memory.w[word + 16 + at] != 0:
        return False
    if low < first:
        low = first
    if high > last:
        high = last
    return low <= high and high - low >= size - 1


class Direct:
    """A place in a tree: the slot ``at`` of a leaf, which covers ``low`` to ``high`` (inclusive).

    ``entry`` is what it holds; ``enode`` is the leaf, which covers ``min`` to ``max``, and begins
    at the word ``word`` of memory. The node above it, if there is one, begins at ``up_word`` and
    ends at ``up_max``; the leaf is its child number ``up_at``.
    """

    def __init__(self, maple: Maple, tree: u64) -> None:
        self.maple = maple
        self.memory = maple.memory
        self.tree = tree
        self.root_word = (tree - maple.memory.base + maple.root_at) >> 3
        self.plain = type(maple) is Maple and maple.wide
        self.at = 0
        self.up_word = self.up_max = 0
        self.up_at = self.up_pivots = 0

    def readable(self) -> bint:
        """Whether this tree can be read so, now."""
        memory: Memory = self.memory
        if not self.plain or memory.watcher is not None:
            return False
        root: u64 = memory.w[self.root_word]
        return root & 3 == 2 and root > 4096

    def searchable(self) -> bint:
        """Whether it can be searched for gaps as well."""
        return self.readable() and self.memory.w[self.root_word] & TYPE_BITS != RANGE_BITS

    def load(self, index: u64) -> u64:
        """The entry at ``index``."""
        memory: Memory = self.memory
        enode: u64 = memory.w[self.root_word]
        level: i32 = 0
        while level < HEIGHT_MAX:
            word: u64 = words_of(memory, enode)
            fetch_node(memory, word)
            pivots: i32 = 9 if enode & TYPE_BITS == ARANGE_BITS else 15
            at: i32 = slot_of(memory, word, pivots, index)
            found: u64 = memory.w[word + 1 + pivots + at]
            if enode & TYPE_BITS == LEAF_BITS:
                return found
            enode = found
            level += 1
        raise RuntimeError(CYCLE)

    def enter(self, index: u64) -> u64:
        """Move to the slot that holds ``index``: its entry."""
        memory: Memory = self.memory
        enode: u64 = memory.w[self.root_word]
        min: u64 = 0
        max: u64 = TOP
        level: i32 = 0
        self.up_max = 0
        while level < HEIGHT_MAX:
            word: u64 = words_of(memory, enode)
            fetch_node(memory, word)
            pivots: i32 = 9 if enode & TYPE_BITS == ARANGE_BITS else 15
            at: i32 = slot_of(memory, word, pivots, index)
            low: u64 = memory.w[word + at] + 1 if at > 0 else min
            high: u64 = slot_end(memory, word, pivots, at, max)
            if enode & TYPE_BITS == LEAF_BITS:
                self.stand(enode, word, min, max)
                return self.take(at, low, high)
            self.up_word = word
            self.up_max = max
            self.up_at = at
            self.up_pivots = pivots
            min = low
            max = high
            enode = memory.w[word + 1 + pivots + at]
            level += 1
        raise RuntimeError(CYCLE)

    def stand(self, enode: u64, word: u64, min: u64, max: u64) -> None:
        """Be in a leaf."""
        self.enode = enode & ~2
        self.word = word
        self.min = min
        self.max = max

    def take(self, at: i32, low: u64, high: u64) -> u64:
        """Be at a slot of the leaf: its entry."""
        self.at = at
        self.low = low
        self.high = high
        self.entry = self.memory.w[self.word + 16 + at]
        return self.entry

    def next_leaf(self) -> bint:
        """Move to the first slot of the leaf behind this one, which there must be. True."""
        memory: Memory = self.memory
        at: i32 = self.up_at + 1
        slots: u64 = self.up_word + 1 + self.up_pivots
        if self.max >= self.up_max or at > self.up_pivots:
            self.enter(self.max + 1)
            return True
        enode: u64 = memory.w[slots + at]
        if at < self.up_pivots:
            fetch_node(memory, ((memory.w[slots + at + 1] & ~255) - memory.base) >> 3)
        min: u64 = self.max + 1
        max: u64 = slot_end(memory, self.up_word, self.up_pivots, at, self.up_max)
        self.stand(enode, words_of(memory, enode), min, max)
        self.up_at = at
        self.take(0, min, slot_end(memory, self.word, 15, 0, max))
        return True

    def onward(self) -> u64:
        """Move to the next slot, which there must be: its entry."""
        if self.high >= self.max:
            self.next_leaf()
            return self.entry
        low: u64 = self.high + 1
        return self.take(
            self.at + 1, low, slot_end(self.memory, self.word, 15, self.at + 1, self.max)
        )

    def next_entry(self, last: u64) -> u64:
        """Move on to the next slot that holds something and begins at or before ``last``: its
        entry. 0 if there is none."""
        memory: Memory = self.memory
        at: i32 = self.at
        low: u64 = self.low
        high: u64 = self.high
        entry: u64 = 0
        while entry == 0 and high < last:
            if high >= self.max:
                self.next_leaf()
                at = self.at
                low = self.low
                high = self.high
                entry = self.entry
            else:
                at += 1
                low = high + 1
                high = slot_end(memory, self.word, 15, at, self.max)
                entry = memory.w[self.word + 16 + at]
        self.take(at, low, high)
        return entry

    def pour(
        self, last: u64, firsts: array[int], lasts: array[int], entries: array[int]
    ) -> word_count:
        """Write down the slots that hold something, from this one up to ``last`` (inclusive), as
        many as the arrays hold: how many they were. A slot is given whole. The last slot looked at
        is where it then stands."""
        memory: Memory = self.memory
        room: word_count = len(entries)
        count: word_count = 0
        while count < room and self.low <= last:
            word: u64 = self.word
            at: i32 = self.at
            low: u64 = self.low
            high: u64 = self.high
            while True:
                entry: u64 = memory.w[word + 16 + at]
                if entry != 0:
                    firsts[count] = low
                    lasts[count] = high
                    entries[count] = entry
                    count += 1
                if high >= self.max or high >= last or count == room:
                    break
                at += 1
                low = high + 1
                high = slot_end(memory, word, 15, at, self.max)
            if high >= last or count == room:
                self.take(at, low, high)
                break
            self.next_leaf()
        return count

    # Gaps.

    def hole_up(self, first: u64, last: u64, size: u64) -> bint:
        """Move to the lowest gap that has ``size`` indexes between ``first`` and ``last``
        (inclusive); False if there is none. The gap itself may reach out of the window."""
        memory: Memory = self.memory
        enode: u64 = memory.w[self.root_word]
        index: u64 = first
        min: u64 = 0
        max: u64 = TOP
        level: i32 = 0
        while level < HEIGHT_MAX:
            word: u64 = words_of(memory, enode)
            leaf: bint = enode & TYPE_BITS == LEAF_BITS
            pivots: i32 = 15 if leaf else 9
            at: i32 = slot_of(memory, word, pivots, index) if index > min else 0
            low: u64 = memory.w[word + at] + 1 if at > 0 else min
            high: u64 = slot_end(memory, word, pivots, at, max)
            while not fits(memory, leaf, word, at, low, high, first, last, size):
                if high >= last:
                    return False
                if high >= max:
                    break
                at += 1
                low = high + 1
                high = slot_end(memory, word, pivots, at, max)
            else:
                if leaf:
                    self.up_max = 0
                    self.stand(enode, word, min, max)
                    self.take(at, low, high)
                    return True
                enode = memory.w[word + 10 + at]
                min = low
                max = high
                level += 1
                continue
            # Nothing at or above the index in this node: on behind it, from the top.
            if max < index:
                break
            index = max + 1
            enode = memory.w[self.root_word]
            min = 0
            level = 0
            max = TOP
        raise RuntimeError(CYCLE)

    def hole_down(self, first: u64, last: u64, size: u64) -> bint:
        """Move to the highest gap that has ``size`` indexes between ``first`` and ``last``
        (inclusive); as `hole_up`."""
        memory: Memory = self.memory
        enode: u64 = memory.w[self.root_word]
        index: u64 = last
        min: u64 = 0
        max: u64 = TOP
        level: i32 = 0
        while level < HEIGHT_MAX:
            word: u64 = words_of(memory, enode)
            leaf: bint = enode & TYPE_BITS == LEAF_BITS
            pivots: i32 = 15 if leaf else 9
            at: i32 = slot_of(memory, word, pivots, index if index < max else max)
            low: u64 = memory.w[word + at] + 1 if at > 0 else min
            high: u64 = slot_end(memory, word, pivots, at, max)
            while not fits(memory, leaf, word, at, low, high, first, last, size):
                if low <= first:
                    return False
                if at == 0:
                    break
                at -= 1
                high = low - 1
                low = memory.w[word + at] + 1 if at > 0 else min
            else:
                if leaf:
                    self.up_max = 0
                    self.stand(enode, word, min, max)
                    self.take(at, low, high)
                    return True
                enode = memory.w[word + 10 + at]
                min = low
                max = high
                level += 1
                continue
            if min > index:
                break
            index = min - 1
            enode = memory.w[self.root_word]
            min = 0
            level = 0
            max = TOP
        raise RuntimeError(CYCLE)

    def place(self, mas: MaState, first: u64, last: u64, size: u64, from_top: bint) -> bint:
        """Set a state to the lowest or highest ``size`` free indexes of a window, as
        ``mas_empty_area`` and ``mas_empty_area_rev`` do; False if there are none."""
        if from_top:
            if not self.hole_down(first, last, size):
                return False
            mas.last = self.high if self.high < last else last
            mas.index = mas.last - (size - 1)
        else:
            if not self.hole_up(first, last, size):
                return False
            mas.index = self.low if self.low > first else first
            mas.last = mas.index + (size - 1)
        mas.status = ACTIVE
        mas.node = self.enode
        mas.offset = self.at
        mas.min = self.min
        mas.max = self.max
        mas.depth = self.maple.depth_base
        return True
