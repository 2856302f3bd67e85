"""Sums by address: what a walk adds up for each mm_struct, anon_vma or inode that it meets."""

from __future__ import annotations

from array import array

import cython
from cython import declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.check.addresses import AddressSet

if not cython.compiled:
    from mmtwin.memory.held import integers_of, words_of

COLUMNS = 8
WIDTH = declare(u64, 8)


class Tally(AddressSet):
    """A set of addresses with ``COLUMNS`` signed sums for each, in the order in which they came."""

    def __init__(self) -> None:
        super().__init__()
        self.room = 64
        self._hold(array("Q", bytes(8 * self.room)), array("q", bytes(8 * COLUMNS * self.room)))

    def _hold(self, members: array[int], sums: array[int]) -> None:
        self.held_members = members
        self.held_sums = sums
        self.members = words_of(members)
        self.sums = integers_of(sums)

    def row(self, address: u64) -> u64:
        """The row of ``address``, a new one of zeros if it has none."""
        table = self.table
        at: u64 = self.place(address)
        if table[at + 1] == self.generation:
            return table[at + 2]
        nth: u64 = self.count
        if nth == self.room:
            self._more_rows()
        if 2 * nth > self.mask:
            self._grow()
            table = self.table
            at = self.place(address)
        table[at] = address
        table[at + 1] = self.generation
        table[at + 2] = nth
        self.count = nth + 1
        self.members[nth] = address
        sums = self.sums
        column: u64 = nth * WIDTH
        last: u64 = column + WIDTH
        while column < last:
            sums[column] = 0
            column += 1
        return nth

    def bump(self, address: u64, column: i32, amount: i64) -> i32:
        """Add ``amount`` to one sum of ``address``; 0."""
        row: u64 = self.row(address)  # first: it may move the sums
        self.sums[row * WIDTH + column] += amount
        return 0

    def sum(self, nth: u64, column: i32) -> i64:
        """One sum of the row ``nth``."""
        return self.sums[nth * WIDTH + column]

    def address(self, nth: u64) -> u64:
        """Whose row ``nth`` is."""
        return self.members[nth]

    def _more_rows(self) -> None:
        self.room *= 2
        members = array("Q", self.held_members)
        members.frombytes(bytes(8 * len(members)))
        sums = array("q", self.held_sums)
        sums.frombytes(bytes(8 * len(sums)))
        self._hold(members, sums)
