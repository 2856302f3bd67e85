"""A set of addresses that is cleared in one store: what a walk has already seen."""

from __future__ import annotations

from array import array

from cython import bint
from cython import int as i32
from cython import ulonglong as u64

FIRST_SIZE = 256


class AddressSet:
    """Addresses seen since the last ``clear``; open addressing, grown at half full.

    Address 0 is never a member.
    """

    def __init__(self) -> None:
        self.mask = FIRST_SIZE - 1
        self.count = 0
        self.generation = 1
        self.keys = array("Q", bytes(8 * FIRST_SIZE))
        self.stamps = array("Q", bytes(8 * FIRST_SIZE))

    def clear(self) -> None:
        """Forget all members."""
        self.generation += 1
        self.count = 0

    def _slot(self, address: u64) -> u64:
        """Where ``address`` is kept, or the free place where it would go."""
        at: u64 = (address >> 3) ^ (address >> 17)
        at &= self.mask
        while self.stamps[at] == self.generation and self.keys[at] != address:
            at = (at + 1) & self.mask
        return at

    def has(self, address: u64) -> bint:
        """Is ``address`` a member?"""
        return self.stamps[self._slot(address)] == self.generation

    def add(self, address: u64) -> bint:
        """Make ``address`` a member; False if it was one already."""
        at: u64 = self._slot(address)
        if self.stamps[at] == self.generation:
            return False
        if 2 * self.count > self.mask:
            self._grow()
            at = self._slot(address)
        self.keys[at] = address
        self.stamps[at] = self.generation
        self.count += 1
        return True

    def _grow(self) -> None:
        keys = self.keys
        stamps = self.stamps
        size: u64 = self.mask + 1
        generation: u64 = self.generation
        self.mask = 2 * size - 1
        self.keys = array("Q", bytes(16 * size))
        self.stamps = array("Q", bytes(16 * size))
        self.count = 0
        nth: u64 = 0
        while nth < size:
            if stamps[nth] == generation:
                self.add(keys[nth])
            nth += 1

    def __len__(self) -> i32:
        return self.count

    def __contains__(self, address: u64) -> bint:
        return self.has(address)
