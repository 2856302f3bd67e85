"""A set of addresses that is cleared in one store: what a walk has already seen."""

from __future__ import annotations

from array import array

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

if not cython.compiled:
    from mmtwin.memory.held import words_of

FIRST_SIZE = 256
TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)
GOLDEN = declare(u64, 0x9E3779B97F4A7C15)
"""2^64 / the golden ratio: neighbours are put far from each other (Knuth, multiplicative hash)."""
WIDTH = declare(u64, 3)
"""Words of a place in the table: the address, the generation that put it there, its row."""


class AddressSet:
    """Addresses seen since the last ``clear``; open addressing, grown at half full.

    Address 0 is never a member. The row is for subclasses.
    """

    def __init__(self) -> None:
        self.mask = FIRST_SIZE - 1
        self.shift = 64 - self.mask.bit_length()
        self.count = 0
        self.generation = 1
        self.held = array("Q", bytes(8 * 3 * FIRST_SIZE))
        self.table = words_of(self.held)

    def clear(self) -> None:
        """Forget all members."""
        self.generation += 1
        self.count = 0

    def place(self, address: u64) -> u64:
        """Where ``address`` is kept in the table, or the free place where it would go."""
        table = self.table
        generation: u64 = self.generation
        at: u64 = ((address * GOLDEN) & TOP) >> self.shift
        while table[WIDTH * at + 1] == generation and table[WIDTH * at] != address:
            at = (at + 1) & self.mask
        return WIDTH * at

    def has(self, address: u64) -> bint:
        """Is ``address`` a member?"""
        if self.count == 0:
            return False
        return self.table[self.place(address) + 1] == self.generation

    def add(self, address: u64) -> bint:
        """Make ``address`` a member; False if it was one already."""
        at: u64 = self.place(address)
        if self.table[at + 1] == self.generation:
            return False
        if 2 * self.count > self.mask:
            self._grow()
            at = self.place(address)
        self.table[at] = address
        self.table[at + 1] = self.generation
        self.count += 1
        return True

    def _grow(self) -> None:
        held = self.held
        old = self.table
        size: u64 = self.mask + 1
        self.mask = 2 * size - 1
        self.shift -= 1
        self.held = array("Q", bytes(16 * len(held)))
        self.table = words_of(self.held)
        nth: u64 = 0
        while nth < size:
            at: u64 = WIDTH * nth
            if old[at + 1] == self.generation:
                to: u64 = self.place(old[at])
                self.table[to] = old[at]
                self.table[to + 1] = self.generation
                self.table[to + 2] = old[at + 2]
            nth += 1

    def __len__(self) -> i32:
        return self.count

    def __contains__(self, address: u64) -> bint:
        return self.has(address)
