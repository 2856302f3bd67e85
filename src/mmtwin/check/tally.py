"""Sums by address: what a walk adds up for each mm_struct, anon_vma or inode that it meets."""

from __future__ import annotations

from array import array

from cython import declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.check.addresses import AddressSet

COLUMNS = 8
WIDTH = declare(u64, 8)


class Tally(AddressSet):
    """A set of addresses with ``COLUMNS`` signed sums for each, in the order in which they came."""

    def __init__(self) -> None:
        super().__init__()
        self.room = 64
        self.members = array("Q", bytes(8 * self.room))
        self.sums = array("q", bytes(8 * COLUMNS * self.room))
        self.rows = array("Q", bytes(8 * (self.mask + 1)))

    def row(self, address: u64) -> u64:
        """The row of ``address``, a new one of zeros if it has none."""
        at: u64 = self._slot(address)
        if self.stamps[at] == self.generation:
            return self.rows[at]
        nth: u64 = self.count
        if nth == self.room:
            self._more_rows()
        self.add(address)
        at = self._slot(address)
        self.rows[at] = nth
        self.members[nth] = address
        column: u64 = 0
        while column < WIDTH:
            self.sums[nth * WIDTH + column] = 0
            column += 1
        return nth

    def bump(self, address: u64, column: i32, amount: i64) -> None:
        """Add ``amount`` to one sum of ``address``."""
        row: u64 = self.row(address)  # first: it may move the sums
        self.sums[row * WIDTH + column] += amount

    def sum(self, nth: u64, column: i32) -> i64:
        """One sum of the row ``nth``."""
        return self.sums[nth * WIDTH + column]

    def address(self, nth: u64) -> u64:
        """Whose row ``nth`` is."""
        return self.members[nth]

    def _more_rows(self) -> None:
        self.room *= 2
        members = array("Q", self.members)
        members.frombytes(bytes(8 * len(members)))
        sums = array("q", self.sums)
        sums.frombytes(bytes(8 * len(sums)))
        self.members = members
        self.sums = sums

    def _grow(self) -> None:
        AddressSet._grow(self)
        self.rows = array("Q", bytes(8 * (self.mask + 1)))
        nth: u64 = 0
        while nth < self.count:
            self.rows[self._slot(self.members[nth])] = nth
            nth += 1
