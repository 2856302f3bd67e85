"""What a step changed: the blocks of memory it touched, as they are and as they were.

The journal is read backwards from the present to the mark, so that the last value applied to a
word's old image is the one it had at the mark. Blocks are 256 bytes, aligned: a maple node is one
block; other structures lie in one or a few.
"""

from __future__ import annotations

from array import array

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.memory.journal import Journal
from mmtwin.memory.memory import Memory

if not cython.compiled:
    from mmtwin.memory.held import copy_words, words_of

WORDS = declare(u64, 32)
GENERATION = declare(u64, 1 << 40)
"""Step of the tag that sets one load's entries apart; block numbers are below it."""
LAST_TAG = declare(u64, 0xFFFFFF << 40)
NONE = declare(u64, 0xFFFFFFFFFFFFFFFF)
GOLDEN = declare(u64, 0x9E3779B97F4A7C15)
"""2^64 / the golden ratio, as in ``addresses``."""
FIRST_BLOCKS = 256

KEPT_SHIFT = 16
"""The bit of a leaf's flags for its slot 0, set if that holds now what it held at the mark."""
WAS_IN = 1
"""The block held a node of a known tree at the mark."""
IS_IN = 2
"""The block holds a node of a known tree now, by its parent words."""


def larger(words: array[int]) -> array[int]:
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
        self.held = [array("Q", bytes(8 * size * self.room)) for size in (1, 1, 1, 32)]
        self._bind()
        self.tag = 0
        self._new_table()

    def _bind(self) -> None:
        self.blocks = words_of(self.held[0])
        self.flags = words_of(self.held[1])
        self.owners = words_of(self.held[2])
        self.images = words_of(self.held[3])

    def _new_table(self) -> None:
        """An empty table: for each place a tag (generation and block number) and an index."""
        self.mask = 2 * self.room - 1
        self.shift = 64 - self.mask.bit_length()
        self.held_table = array("Q", bytes(16 * (self.mask + 1)))
        self.table = words_of(self.held_table)

    def load(self, mark: u64) -> None:
        """Read the journal's entries from ``mark`` up to the present."""
        journal: Journal | None = self.memory.journal
        if journal is None:
            raise ValueError("this memory keeps no journal")
        journal.check(mark)
        self.count = 0
        self.tag += GENERATION
        if self.tag == LAST_TAG:
            self.tag = GENERATION
            self._new_table()
        at: u64 = journal.present
        held: u64 = journal.first
        words = journal.words
        images = self.images
        last: u64 = NONE
        image: u64 = 0
        before: u64 = NONE
        image_before: u64 = 0
        while at > mark:
            at -= 1
            index: u64
            old: u64
            if at >= held:
                index = words[2 * (at - held)]
                old = words[2 * (at - held) + 1]
            else:
                index = journal.entry_index(at)
                old = journal.entry_old(at)
            block: u64 = index >> 5
            if block != last:
                if block == before:  # stores often go back and forth between two blocks
                    before = last
                    last = block
                    image, image_before = image_before, image
                else:
                    before = last
                    image_before = image
                    last = block
                    image = self._touch(block) * WORDS
                    images = self.images
            images[image + (index & 31)] = old

    def _place(self, block: u64) -> u64:
        """Where in the table a block is kept, or the free place where it would go."""
        table = self.table
        wanted: u64 = self.tag | block
        at: u64 = ((block * GOLDEN) & NONE) >> self.shift
        while table[2 * at] >= self.tag and table[2 * at] != wanted:
            at = (at + 1) & self.mask
        return 2 * at

    def _touch(self, block: u64) -> u64:
        """The index of a block, entered with its present content if it is new."""
        at: u64 = self._place(block)
        if self.table[at] >= self.tag:
            return self.table[at + 1]
        if self.count == self.room:
            self._grow()
            at = self._place(block)
        nth: u64 = self.count
        self.count += 1
        self.table[at] = self.tag | block
        self.table[at + 1] = nth
        self.blocks[nth] = block
        self.flags[nth] = 0
        copy_words(self.images, nth * WORDS, self.w, block * WORDS, WORDS)
        return nth

    def _grow(self) -> None:
        """Twice the room, the table rebuilt."""
        self.room *= 2
        self.held = [larger(words) for words in self.held]
        self._bind()
        self._new_table()
        nth: u64 = 0
        while nth < self.count:
            at: u64 = self._place(self.blocks[nth])
            self.table[at] = self.tag | self.blocks[nth]
            self.table[at + 1] = nth
            nth += 1

    def find(self, index: u64) -> i32:
        """The touched block that holds word ``index``; -1 if that block was not touched."""
        table = self.table
        block: u64 = index >> 5
        wanted: u64 = self.tag | block
        at: u64 = ((block * GOLDEN) & NONE) >> self.shift
        while table[2 * at] >= self.tag:
            if table[2 * at] == wanted:
                return table[2 * at + 1]
            at = (at + 1) & self.mask
        return -1

    def was(self, index: u64) -> u64:
        """What the word ``index`` held at the mark."""
        table = self.table
        block: u64 = index >> 5
        wanted: u64 = self.tag | block
        at: u64 = ((block * GOLDEN) & NONE) >> self.shift
        while table[2 * at] >= self.tag:
            if table[2 * at] == wanted:
                return self.images[table[2 * at + 1] * WORDS + (index & 31)]
            at = (at + 1) & self.mask
        return self.w[index]

    def changed(self, index: u64) -> bint:
        """Does the word ``index`` hold another value than at the mark?"""
        return self.was(index) != self.w[index]
