"""What a step changed: the blocks of memory it touched, as they are and as they were.

The journal is read backwards from the present to the mark, so that the last value applied to a
word's old image is the one it had at the mark. Blocks are 256 bytes, aligned: a maple node is one
block; other structures lie in one or a few.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.memory.journal import Journal
from mmtwin.memory.memory import Memory

WORDS = declare(u64, 32)
FIRST_BLOCKS = 256

WAS_IN = 1
"""The block held a node of a known tree at the mark."""
IS_IN = 2
"""The block holds a node of a known tree now, by its parent words."""


def larger(words: Sequence[int]) -> array[int]:
    """A copy of ``words`` with as much room again behind it."""
    copy = array("Q", words)
    copy.frombytes(bytes(8 * len(copy)))
    return copy


class Overlay:
    """The old images of all blocks touched since a mark.

    ``flags`` and ``owners`` are for the checks: what the block was, and whose.

    A block is named by its number (physical address / 256) and, once touched, by its index
    ``0 <= nth < count`` in the order in which the backward scan met it. A block whose every word
    ended as it began counts as touched too: its words were rewritten.
    """

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.w = memory.w
        self.count = 0
        self.room = FIRST_BLOCKS
        self.blocks = array("Q", bytes(8 * self.room))
        self.flags = array("Q", bytes(8 * self.room))
        self.owners = array("Q", bytes(8 * self.room))
        self.images = array("Q", bytes(8 * WORDS * self.room))
        self.mask = 2 * FIRST_BLOCKS - 1
        self.generation = 1
        self.keys = array("Q", bytes(8 * (self.mask + 1)))
        self.stamps = array("Q", bytes(8 * (self.mask + 1)))
        self.places = array("Q", bytes(8 * (self.mask + 1)))

    def load(self, mark: u64) -> None:
        """Read the journal's entries from ``mark`` up to the present."""
        journal: Journal | None = self.memory.journal
        if journal is None:
            raise ValueError("this memory keeps no journal")
        journal.check(mark)
        self.count = 0
        self.generation += 1
        at: u64 = journal.present
        last: u64 = 0
        nth: u64 = 0
        while at > mark:
            at -= 1
            index: u64 = journal.entry_index(at)
            block: u64 = (index >> 5) + 1
            if block != last:
                nth = self._touch(block)
                last = block
            self.images[nth * WORDS + (index & 31)] = journal.entry_old(at)

    def _slot(self, block: u64) -> u64:
        at: u64 = (block ^ (block >> 9)) & self.mask
        while self.stamps[at] == self.generation and self.keys[at] != block:
            at = (at + 1) & self.mask
        return at

    def _touch(self, block: u64) -> u64:
        """The index of a block (number + 1), entered with its present content if it is new."""
        at: u64 = self._slot(block)
        if self.stamps[at] == self.generation:
            return self.places[at]
        if self.count == self.room:
            self._grow()
            at = self._slot(block)
        nth: u64 = self.count
        self.count += 1
        self.keys[at] = block
        self.stamps[at] = self.generation
        self.places[at] = nth
        self.blocks[nth] = block - 1
        self.flags[nth] = 0
        first: u64 = (block - 1) * WORDS
        word: u64 = 0
        while word < WORDS:
            self.images[nth * WORDS + word] = self.w[first + word]
            word += 1
        return nth

    def _grow(self) -> None:
        """Twice the room, the table rebuilt."""
        self.room *= 2
        self.blocks = larger(self.blocks)
        self.flags = larger(self.flags)
        self.owners = larger(self.owners)
        self.images = larger(self.images)
        self.mask = 2 * self.room - 1
        self.keys = array("Q", bytes(8 * (self.mask + 1)))
        self.stamps = array("Q", bytes(8 * (self.mask + 1)))
        self.places = array("Q", bytes(8 * (self.mask + 1)))
        nth: u64 = 0
        while nth < self.count:
            at: u64 = self._slot(self.blocks[nth] + 1)
            self.keys[at] = self.blocks[nth] + 1
            self.stamps[at] = self.generation
            self.places[at] = nth
            nth += 1

    def find(self, index: u64) -> i32:
        """The touched block that holds word ``index``; -1 if that block was not touched."""
        at: u64 = self._slot((index >> 5) + 1)
        if self.stamps[at] != self.generation:
            return -1
        return self.places[at]

    def was(self, index: u64) -> u64:
        """What the word ``index`` held at the mark."""
        nth: i32 = self.find(index)
        if nth < 0:
            return self.w[index]
        return self.images[nth * WORDS + (index & 31)]

    def changed(self, index: u64) -> bint:
        """Does the word ``index`` hold another value than at the mark?"""
        nth: i32 = self.find(index)
        if nth < 0:
            return False
        return self.images[nth * WORDS + (index & 31)] != self.w[index]
