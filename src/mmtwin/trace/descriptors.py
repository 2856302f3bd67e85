"""Which mappings come from the same open file description.

Two mappings of one file merge only if they were made through the same struct file. The kernel
shows no number for it, but tells with kcmp(2) whether two descriptors that are open now share
one. A description that was mapped once gets a number here; the number holds for a descriptor
until the program closes it, and every close is seen.
"""

from __future__ import annotations

import os
from typing import TypeAlias

from mmtwin.trace import ptrace

Inode: TypeAlias = tuple[int, int]


class Table:
    """A descriptor table (files_struct), shared by threads: descriptors that were mapped."""

    def __init__(self, known: dict[int, tuple[Inode, int]] | None = None) -> None:
        self.known = dict(known or {})
        """By descriptor: the inode and the description's number."""
        self.users: set[int] = set()
        """Live threads with this table."""

    def close(self, first: int, last: int) -> None:
        """Descriptors ``first`` to ``last`` (inclusive) are no longer what they were."""
        if first == last:
            self.known.pop(first, None)
            return
        for descriptor in [d for d in self.known if first <= d <= last]:
            del self.known[descriptor]


class Descriptions:
    """Numbers for open file descriptions, over all processes of a recording."""

    def __init__(self) -> None:
        self._tables: set[Table] = set()
        self._last = 0

    def join(self, tid: int, table: Table) -> None:
        """A thread uses a table from here on."""
        table.users.add(tid)
        self._tables.add(table)

    def leave(self, tid: int, table: Table) -> None:
        """A thread has ended or taken another table."""
        table.users.discard(tid)
        if not table.users:
            self._tables.discard(table)

    def number(self, tid: int, table: Table, descriptor: int) -> int | None:
        """The number of the description behind a descriptor; None if it is not open."""
        try:
            status = os.stat(f"/proc/{tid}/fd/{descriptor}")
        except OSError:
            return None
        inode = (status.st_dev, status.st_ino)
        known = table.known.get(descriptor)
        if known is not None and known[0] == inode:
            return known[1]
        number = self._same(tid, descriptor, inode)
        if number is None:
            self._last += 1
            number = self._last
        table.known[descriptor] = (inode, number)
        return number

    def _same(self, tid: int, descriptor: int, inode: Inode) -> int | None:
        """The number that another descriptor of the same description has."""
        for table in self._tables:
            for other, (other_inode, number) in table.known.items():
                if other_inode == inode and ptrace.same_file(
                    tid, descriptor, next(iter(table.users)), other
                ):
                    return number
        return None
