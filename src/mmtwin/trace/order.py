"""The order of a trace's records: what must have come before what.

A recorder hears of a new thread twice, from the thread itself and from its parent, and the
kernel does not say which comes first: a child's first calls, even its whole life, may stand
before the ``child`` line that announces it. The parent waits in its clone all that time, so
the ``child`` record can be brought forward to where the child's first call stands; that is
done here, and what follows sees causes before effects.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from mmtwin.trace.records import Call, Child, Exec, Gone, Record

AHEAD_MAX: Final = 20_000
"""Records read ahead in search of a ``child`` line."""
AHEAD_TEXT_MAX: Final = 64 << 20
"""Characters of maps text held by the records read ahead."""
GENERATIONS_MAX: Final = 64
"""Ancestors of an unknown thread that may all be unannounced."""


class Disorder(Exception):
    """A record that cannot stand where it does."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(line, reason)
        self.line = line
        self.reason = reason


class Ahead:
    """Records with those read ahead of their turn; O(1) amortised for each record."""

    def __init__(self, records: Iterator[Record]) -> None:
        self._records = records
        self._held: deque[Record] = deque()
        self._text = 0
        self._children: dict[int, deque[Child]] = {}
        """Announcements among the records held, by the child's id, first ones first."""
        self._taken: set[int] = set()
        """Lines of announcements that were taken before their turn."""

    def next(self) -> Record | None:
        """The next record in turn; None at the end."""
        while self._held:
            record = self._held.popleft()
            self._text -= _text_of(record)
            if isinstance(record, Child):
                if record.line in self._taken:
                    self._taken.discard(record.line)
                    continue
                self._drop(record)
            return record
        return next(self._records, None)

    def take_child(self, pid: int) -> Child | None:
        """The first ``child`` record to come for this id, out of turn; None if there is none."""
        while pid not in self._children:
            if len(self._held) >= AHEAD_MAX or self._text >= AHEAD_TEXT_MAX:
                return None
            record = next(self._records, None)
            if record is None:
                return None
            self._held.append(record)
            self._text += _text_of(record)
            if isinstance(record, Child):
                self._children.setdefault(record.child, deque()).append(record)
        child = self._children[pid][0]
        self._drop(child)
        self._taken.add(child.line)
        return child

    def _drop(self, record: Child) -> None:
        """Forget the first announcement held for this child."""
        waiting = self._children[record.child]
        waiting.popleft()
        if not waiting:
            del self._children[record.child]


def _text_of(record: Record) -> int:
    """Characters of maps text that a record holds."""
    return len(record.maps or "") if isinstance(record, (Call, Exec)) else 0


class Order:
    """Checks the order of records as they pass and brings late announcements forward."""

    def __init__(self, records: Iterator[Record]) -> None:
        self._ahead = Ahead(records)
        self._announced: dict[int, int] = {}
        """Live threads: the number of execs seen when the thread last came up."""
        self._unannounced: set[int] = set()
        """Live threads known by an exec of their own, the first one of a trace among them."""
        self._execs = 0

    def __iter__(self) -> Iterator[Record]:
        first = True
        while (record := self._ahead.next()) is not None:
            if first and not isinstance(record, Exec):
                raise Disorder(record.line, "a trace starts with an exec")
            first = False
            if isinstance(record, Exec):
                self._exec(record)
            else:
                if not self._live(record.pid):
                    yield from self._announcements(record)
                if isinstance(record, Child):
                    self._child(record)
                elif isinstance(record, Gone):
                    self._gone(record)
            yield record

    def _live(self, pid: int) -> bool:
        return pid in self._announced or pid in self._unannounced

    def _exec(self, record: Exec) -> None:
        self._execs += 1
        if record.former is not None and record.former != record.pid:
            self._announced.pop(record.former, None)
            self._unannounced.discard(record.former)
        if record.pid in self._announced:
            self._announced[record.pid] = self._execs
        else:
            self._unannounced.add(record.pid)

    def _child(self, record: Child) -> None:
        child = record.child
        if child in self._unannounced:
            self._unannounced.discard(child)
            record.late = True
        elif self._announced.get(child, -1) == self._execs:
            # An exec by a thread that does not lead its group makes that thread's id free
            # without a word; with no exec in between, the id cannot have been given out again.
            raise Disorder(record.line, f"thread {child} exists already")
        self._announced[child] = self._execs

    def _gone(self, record: Gone) -> None:
        self._announced.pop(record.pid, None)
        self._unannounced.discard(record.pid)

    def _announcements(self, record: Record) -> list[Child]:
        """The ``child`` records that make an unknown thread known, ancestors first."""
        found: list[Child] = []
        pid = record.pid
        while not self._live(pid):
            child = self._ahead.take_child(pid) if len(found) < GENERATIONS_MAX else None
            if child is None:
                raise Disorder(record.line, f"thread {pid} has no exec and no child line")
            found.append(child)
            pid = child.pid
        found.reverse()
        for child in found:
            self._child(child)
        return found
