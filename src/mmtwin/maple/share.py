"""A leaf that overflows: it shares with a sibling or is cut in two, in place.

The engine builds such a leaf, its sibling and their parent anew and puts them in the tree, for
there may be readers. Where there are none the same words can be had with less: two leaves are
rewritten, and one slot of the parent changes or is added. What reaches further up, the engine does.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.machine.gfp import GFP_NOWAIT, NOWARN
from mmtwin.maple.maple import Maple
from mmtwin.maple.spot import Spot
from mmtwin.memory.memory import Memory

TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)
NOWAIT = declare(u64, GFP_NOWAIT | NOWARN)
PIVOTS = declare(i32, 15)
SLOTS = declare(i32, 16)
MIN_END = declare(i32, 6)
META = declare(i32, 31)
LEAF_ENODE = declare(u64, 0x0C)
GAPS = declare(i32, 20)
ARANGE_META = declare(i32, 30)


class Share:
    """The store that ``spot`` has prepared, where it makes the leaf overflow (``spot.full``).

    ``pivot`` and ``held`` are the slots of the leaf with the store in it, and of the sibling that
    it shares with; ``cut`` is the last slot that goes to the left one. The two cover ``min`` to
    ``max`` and begin at the words ``left`` and ``right``. ``slot`` is the left one's slot in the
    parent, which begins at ``word`` and has its last slot at ``end``. ``fresh`` is the address of
    the right one if it is new, else 0.
    """

    def __init__(self, maple: Maple, spot: Spot, gaps: bint) -> None:
        if not cython.compiled:
            self.pivot, self.held = [0] * 40, [0] * 40
        self.memory = maple.memory
        self.maple = maple
        self.spot = spot
        self.gaps = gaps
        self.pivots = 9 if gaps else PIVOTS
        # A range node's last slot shares its word with the metadata: the engine's business.
        self.room = 9 if gaps else PIVOTS - 1
        self.fresh = self.parent = self.word = self.left = self.right = self.min = self.max = 0
        self.slot = self.end = self.count = self.cut = 0

    # What there is.

    def gather(self, entry: u64) -> None:
        """Lay out the leaf with the store in it, behind what is there."""
        spot: Spot = self.spot
        memory: Memory = self.memory
        pivot: u64 = spot.word + 1
        slot: u64 = spot.word + SLOTS
        count: i32 = self.count
        at: i32
        for at in range(spot.at):
            self.pivot[count] = memory.w[pivot + at]
            self.held[count] = memory.w[slot + at]
            count += 1
        if spot.first > spot.start:
            self.pivot[count] = spot.first - 1
            self.held[count] = memory.w[slot + spot.at]
            count += 1
        self.pivot[count] = spot.last
        self.held[count] = entry
        count += 1
        if spot.last < spot.high:
            self.pivot[count] = spot.high
            self.held[count] = memory.w[slot + spot.stop]
            count += 1
        for at in range(spot.stop + 1, spot.end + 1):
            self.pivot[count] = spot.max if at == spot.end else memory.w[pivot + at]
            self.held[count] = memory.w[slot + at]
            count += 1
        self.count = count

    def add_leaf(self, word: u64, end: i32, max: u64) -> None:
        """Lay out a whole leaf behind what is there."""
        memory: Memory = self.memory
        count: i32 = self.count
        at: i32
        for at in range(end + 1):
            self.pivot[count] = max if at == end else memory.w[word + 1 + at]
            self.held[count] = memory.w[word + SLOTS + at]
            count += 1
        self.count = count

    def no_null(self, split: i32, end: i32) -> i32:
        """Move a cut off a NULL; see ``mab_no_null_split``."""
        if self.held[split] != 0:
            return split
        if split < PIVOTS and end - split > MIN_END:
            return split + 1
        return split - 1

    # Which way.

    def prepare(self, entry: u64) -> bint:
        """Decide how the leaf shares; False, with nothing changed, if the engine must do it."""
        spot: Spot = self.spot
        memory: Memory = self.memory
        if not spot.full or spot.alone or self.maple.allocator.injector is not None:
            return False
        up: u64 = memory.w[spot.word]
        self.parent = up & ~255
        self.word = (self.parent - memory.base) >> 3
        self.slot = (up >> 3) & 31
        if self.gaps:
            self.end = memory.w[self.word + ARANGE_META] & 255
        elif memory.w[self.word + PIVOTS] != 0:
            return False
        else:
            self.end = memory.w[self.word + META] & 255
        self.fresh = 0
        self.count = 0
        last: i32 = spot.end + spot.growth()
        return self.to_left(entry, last) or self.to_right(entry, last) or self.in_two(entry, last)

    def child(self, slot: i32) -> u64:
        """Where a child of the parent begins, as a word number."""
        memory: Memory = self.memory
        return ((memory.w[self.word + 1 + self.pivots + slot] & ~255) - memory.base) >> 3

    def to_left(self, entry: u64, last: i32) -> bint:
        """If the left sibling has room, it gets the lower slots. ``last``: the leaf's last slot
        with the store in it."""
        spot: Spot = self.spot
        memory: Memory = self.memory
        if self.slot == 0:
            return False
        word: u64 = self.child(self.slot - 1)
        end: i32 = spot.end_of(word, spot.min - 1)
        if last + end >= (2 * SLOTS - 4 if spot.max == TOP else 2 * SLOTS - 3):
            return False
        self.add_leaf(word, end, spot.min - 1)
        self.gather(entry)
        self.cut = self.no_null(SLOTS - 2, self.count - 1)
        self.slot -= 1
        self.min = memory.w[self.word + self.slot] + 1 if self.slot > 0 else spot.up_min
        self.max = spot.max
        self.left = word
        self.right = spot.word
        return True

    def to_right(self, entry: u64, last: i32) -> bint:
        """If the right sibling has room, it gets the higher slots."""
        spot: Spot = self.spot
        memory: Memory = self.memory
        if self.slot >= self.end:
            return False
        word: u64 = self.child(self.slot + 1)
        max: u64 = spot.up_max
        if self.slot + 1 < self.end:
            max = memory.w[self.word + 1 + self.slot + 1]
        end: i32 = spot.end_of(word, max)
        if last + end >= 2 * SLOTS - 3:
            return False
        self.gather(entry)
        self.add_leaf(word, end, max)
        self.cut = self.no_null(last + end - (SLOTS - 2), self.count)
        self.min = spot.min
        self.max = max
        self.left = spot.word
        self.right = word
        return True

    def in_two(self, entry: u64, last: i32) -> bint:
        """If the parent has room, a new leaf gets the higher slots."""
        spot: Spot = self.spot
        if self.end >= self.room:
            return False
        self.fresh = self.maple.allocator.alloc(NOWAIT)
        if self.fresh == 0:
            return False
        self.gather(entry)
        self.cut = self.no_null(last // 2, last)
        self.min = spot.min
        self.max = spot.max
        self.left = spot.word
        self.right = (self.fresh - self.memory.base) >> 3
        return True

    # Carrying it out.

    def write(self) -> None:
        """Carry out what `prepare` has decided."""
        memory: Memory = self.memory
        if self.fresh:
            self.make_room()
        self.leaf(self.left, 0, self.cut)
        self.leaf(self.right, self.cut + 1, self.count - 1)
        memory.w[self.word + 1 + self.slot] = self.pivot[self.cut]
        memory.d[self.word >> 9] = 1
        if self.gaps:
            self.tell_gaps()

    def make_room(self) -> None:
        """Give the new leaf the slot behind ``slot`` in the parent."""
        memory: Memory = self.memory
        pivot: u64 = self.word + 1
        slot: u64 = pivot + self.pivots
        at: i32 = self.end
        while at > self.slot:
            child: u64 = memory.w[slot + at]
            where: u64 = ((child & ~255) - memory.base) >> 3
            up: u64 = at + 1
            memory.w[where] = self.parent | (up << 3) | 6
            memory.d[where >> 9] = 1
            memory.w[slot + at + 1] = child
            if self.gaps:
                memory.w[self.word + GAPS + at + 1] = memory.w[self.word + GAPS + at]
            at -= 1
        at = self.end
        while at >= self.slot:
            if at + 1 < self.pivots:
                memory.w[pivot + at + 1] = memory.w[pivot + at]
            at -= 1
        self.end += 1
        after: u64 = self.slot + 1
        memory.w[slot + after] = self.fresh | LEAF_ENODE
        memory.w[self.right] = self.parent | (after << 3) | 6
        if not self.gaps:
            memory.w[self.word + META] = self.end

    def leaf(self, word: u64, first: i32, end: i32) -> None:
        """Write the slots ``first`` to ``end`` (inclusive) to the leaf at ``word``."""
        memory: Memory = self.memory
        count: i32 = end - first + 1
        pivots: i32 = count if count < PIVOTS else PIVOTS
        at: i32
        for at in range(pivots):
            memory.w[word + 1 + at] = self.pivot[first + at]
        for at in range(pivots, PIVOTS):
            memory.w[word + 1 + at] = 0
        for at in range(count):
            memory.w[word + SLOTS + at] = self.held[first + at]
        for at in range(count, SLOTS):
            memory.w[word + SLOTS + at] = 0
        if count < SLOTS:
            memory.w[word + META] = count - 1
        memory.d[word >> 9] = 1

    def gap(self, first: i32, end: i32, min: u64) -> u64:
        """The longest run of NULL in the slots ``first`` to ``end`` (inclusive) of a leaf that
        begins at ``min``."""
        widest: u64 = 0
        at: i32
        for at in range(first, end + 1):
            if self.held[at] == 0:
                start: u64 = self.pivot[at - 1] + 1 if at > first else min
                size: u64 = self.pivot[at] - start + 1
                if size > widest:
                    widest = size
        return widest

    def tell_gaps(self) -> None:
        """The parent's gaps as the engine has them in a node built anew, then those above."""
        memory: Memory = self.memory
        gaps: u64 = self.word + GAPS
        memory.w[gaps + self.slot] = self.gap(0, self.cut, self.min)
        low: u64 = self.pivot[self.cut] + 1
        memory.w[gaps + self.slot + 1] = self.gap(self.cut + 1, self.count - 1, low)
        self.node_gap(self.word, self.end)
        self.update_gaps()

    def node_gap(self, word: u64, end: i32) -> None:
        """Write the metadata of the parent or a node above it, the largest gap looked for from the
        last slot ``end`` down, as the engine does in a node built anew."""
        memory: Memory = self.memory
        gaps: u64 = word + GAPS
        widest: u64 = 0
        widest_at: u64 = self.maple.gap_unset
        at: i32 = end
        while at >= 0:
            if memory.w[gaps + at] > widest:
                widest = memory.w[gaps + at]
                widest_at = at
            at -= 1
        last: u64 = end
        memory.w[word + ARANGE_META] = (widest_at << 8) | last
        memory.d[word >> 9] = 1

    def update_gaps(self) -> None:
        """Carry the parent's largest gap on upwards."""
        memory: Memory = self.memory
        spot: Spot = self.spot
        up: u64 = memory.w[self.word]
        if up & 1:
            return
        word: u64 = ((up & ~255) - memory.base) >> 3
        at: i32 = (up >> 3) & 31
        largest: u64 = spot.largest(self.word)
        if memory.w[word + GAPS + at] != largest:
            spot.carry(word, at, largest)
