"""What a step changed: the blocks of memory it touched, as they are and as they were.

The journal is read backwards from the present to the mark, so that the last value applied to a
word's old image is the one it had at the mark. Blocks are 256 bytes, aligned: a maple node is one
block; other structures lie in one or a few. :class:`Words`, the base of every check, reads both.
"""

from __future__ import annotations

import mmap
from array import array

import cython
from cython import bint, declare, size_t
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.memory.journal import Journal
from mmtwin.memory.memory import LAZY, Memory, where

if not cython.compiled:
    from mmtwin.memory.held import copy_words, words_of

WORDS = declare(u64, 32)
GENERATION = declare(u64, 1 << 40)
"""Step of the tag that sets one load's entries apart; there are fewer blocks."""
LAST_TAG = declare(u64, 0xFFFFFF << 40)
FIRST_BLOCKS = 256

KEPT_SHIFT = 16
"""The bit of a leaf's flags for its slot 0, set if that holds now what it held at the mark."""
WAS_IN = 1
"""The block held a node of a known tree at the mark."""
IS_IN = 2
"""The block holds a node of a known tree now, by its parent words."""
OF_NO_CACHE = 1
"""In the place of a slab cache's number, which is even: the block is no node or VMA."""


def larger(words: array[int]) -> array[int]:
    """A copy of ``words`` with as much room again behind it."""
    copy = array("Q", words)
    copy.frombytes(bytes(8 * len(copy)))
    return copy


class Overlay:
    """The old images of all blocks touched since a mark.

    ``flags``, ``owners`` and ``caches`` are for the checks: what the block was, and whose; the
    number of the slab cache it belongs to now as at the mark (``OF_NO_CACHE``: none of those that
    matter), 0 where that changed or nobody looked.

    ``table`` says of each block of memory, by its number, at which index it stands: the tag of the
    load that touched it last, and the index in the bits below. It is held lazily, as memory is.

    A block is named by its number (physical address / 256) and, once touched, by its index
    ``0 <= nth < count`` in the order in which the backward scan met it. A block whose every word
    ended as it began counts as touched too: its words were rewritten.
    """

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.w = memory.w
        self.count = 0
        self.room = FIRST_BLOCKS
        self.held = [array("Q", bytes(8 * size * self.room)) for size in (1, 1, 1, 1, 32)]
        self._bind()
        self.tag = GENERATION
        self.size = memory.size // (8 * WORDS)
        self._new_table()

    def _bind(self) -> None:
        self.blocks = words_of(self.held[0])
        self.flags = words_of(self.held[1])
        self.owners = words_of(self.held[2])
        self.caches = words_of(self.held[3])
        self.images = words_of(self.held[4])

    def _new_table(self) -> None:
        """A table in which no block was touched yet."""
        self.held_table = mmap.mmap(-1, 8 * self.size, flags=LAZY)
        if not cython.compiled:
            self.table = memoryview(self.held_table).cast("Q")
        else:
            first = cython.cast(size_t, where(self.held_table))
            self.table = cython.cast(cython.p_ulonglong, first)

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
        at: u64 = journal.present()
        held: u64 = journal.first
        words = journal.words
        table = self.table
        tag: u64 = self.tag
        index: u64
        entry: u64
        last: u64 = 0
        if at > held:
            entry = 2 * (at - held)
            last = 2 * (mark - held) if mark > held else 0
            while entry > last:
                entry -= 2
                index = words[entry]
                if table[index >> 5] < tag:
                    self._touch(index >> 5)
                self.images[((table[index >> 5] - tag) << 5) + (index & 31)] = words[entry + 1]
            at = held
        while at > mark:
            at -= 1
            index = journal.entry_index(at)
            if table[index >> 5] < tag:
                self._touch(index >> 5)
            self.images[((table[index >> 5] - tag) << 5) + (index & 31)] = journal.entry_old(at)

    def _touch(self, block: u64) -> i32:
        """Enter a block that is new, with its present content; returns 0."""
        nth: u64 = self.count
        if nth == self.room:
            self.room *= 2
            self.held = [larger(words) for words in self.held]
            self._bind()
        self.count = nth + 1
        self.table[block] = self.tag | nth
        self.blocks[nth] = block
        self.flags[nth] = 0
        self.caches[nth] = 0
        copy_words(self.images, nth * WORDS, self.w, block * WORDS, WORDS)
        return 0

    def find(self, index: u64) -> i32:
        """The touched block that holds word ``index``; -1 if that block was not touched."""
        block: u64 = index >> 5
        if block >= self.size or self.table[block] < self.tag:
            return -1
        return self.table[block] - self.tag

    def was(self, index: u64) -> u64:
        """What the word ``index`` held at the mark."""
        place: u64 = self.table[index >> 5]
        if place < self.tag:
            return self.w[index]
        return self.images[((place - self.tag) << 5) + (index & 31)]

    def changed(self, index: u64) -> bint:
        """Does the word ``index`` hold another value than at the mark?"""
        return self.was(index) != self.w[index]


class Words:
    """What every check needs: the memory, and what a step changed in it."""

    def __init__(self, memory: Memory, overlay: Overlay | None = None) -> None:
        self.memory = memory
        self.w = memory.w
        self.base = memory.base
        self.size = memory.size
        self.overlay = overlay if overlay is not None else Overlay(memory)
