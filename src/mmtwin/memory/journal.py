"""The journal: every change of a word of memory, so that a state is a prefix of it.

An entry is (word index, value). While the entry lies in the past the value is what the word held
before the store; once the present has been moved back over it, what the word held after. Moving
the present is therefore one exchange of values per entry, in either direction.
"""

from __future__ import annotations

import tempfile
from array import array
from typing import BinaryIO

import cython
from cython import bint
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.memory.errors import JournalForgotten

if not cython.compiled:
    from mmtwin.memory.held import words_of

CHUNK = 1 << 18
"""Entries held in memory at once (16 bytes each); older ones spill to a temporary file."""


class Journal:
    """A growing log of (word index, other value), addressed by position.

    Positions are absolute: the first entry ever made is 0. ``start`` is the oldest position kept,
    ``end()`` one past the newest entry, ``present()`` where memory stands now
    (``start <= present() <= end()``).

    A store's entry goes to ``words[at]`` and the word behind it, without a call, as long as ``at``
    is below ``room``: that is 0 while the present is moved back.

    With ``keep_all=False`` nothing spills: ``forget`` is called once a step and drops what came
    before, unless a single step writes more than a chunk, which spills as usual.
    """

    def __init__(self, *, keep_all: bint = True) -> None:
        self.keep_all = keep_all
        self.start = 0
        self.chunk_entries = CHUNK
        self.first = 0
        self.at = 0
        self.room = 2 * CHUNK
        self.stood = 0
        self.chunk = array("Q", bytes(16 * CHUNK))
        self.words = words_of(self.chunk)
        self.past_first = 0
        self.past_last = 0
        self.past_dirty = False
        self.past = array("Q")
        self.past_words = self.words
        self.spill: BinaryIO | None = None

    def append(self, index: u64, old: u64) -> i32:
        """Log that the word at ``index`` held ``old``. A future moved back over is forgotten.

        Returns 0; an int so that compiled callers see an exception without asking for one.
        """
        if self.room == 0:
            self.truncate(self.stood)
        if self.at == self.room:
            self._spill_chunk()
        self.words[self.at] = index
        self.words[self.at + 1] = old
        self.at += 2
        return 0

    def end(self) -> u64:
        """One past the position of the newest entry."""
        return self.first + (self.at >> 1)

    def present(self) -> u64:
        """The position where memory stands now."""
        return self.stood if self.room == 0 else self.end()

    def stand(self, position: u64) -> None:
        """Memory has been moved to ``position``."""
        self.stood = position
        self.room = 2 * self.chunk_entries if position == self.end() else 0

    def entry_index(self, position: u64) -> u64:
        """The word index of the entry at ``position`` (``start <= position < end``)."""
        if position >= self.first:
            return self.words[2 * (position - self.first)]
        if position < self.past_first or position >= self.past_last:
            self._load_past(position)
        return self.past_words[2 * (position - self.past_first)]

    def entry_old(self, position: u64) -> u64:
        """The other value of the entry at ``position``: the word's old value if in the past."""
        if position >= self.first:
            return self.words[2 * (position - self.first) + 1]
        if position < self.past_first or position >= self.past_last:
            self._load_past(position)
        return self.past_words[2 * (position - self.past_first) + 1]

    def exchange(self, position: u64, value: u64) -> u64:
        """Put ``value`` into the entry at ``position``; return what was there."""
        old: u64 = self.entry_old(position)
        if position >= self.first:
            self.words[2 * (position - self.first) + 1] = value
        else:
            self.past_words[2 * (position - self.past_first) + 1] = value
            self.past_dirty = True
        return old

    def forget(self) -> None:
        """Drop every entry: the present becomes the oldest state that can be reached."""
        self.start = self.present()
        self.first = self.start
        self.at = 0
        self.room = 2 * self.chunk_entries
        self.past_last = self.past_first
        self.past_dirty = False
        if self.spill is not None:
            self.spill.close()
            self.spill = None

    def truncate(self, position: u64) -> None:
        """Drop the entries from ``position`` on; memory must stand at or before it."""
        self.check(position)
        if position < self.first:
            if position < self.past_first or position >= self.past_last:
                self._load_past(position)
            self.chunk[:] = self.past
            self.first = self.past_first
            self.past_last = self.past_first
            self.past_dirty = False
        self.at = 2 * (position - self.first)
        self.stand(position)

    def check(self, position: u64) -> None:
        """Raise :class:`JournalForgotten` unless ``start <= position <= end``."""
        if position < self.start or position > self.end():
            raise JournalForgotten(
                f"position {position} is not within the journal's {self.start}..{self.end()}"
            )

    def _spill_chunk(self) -> None:
        if self.spill is None:
            self.spill = tempfile.TemporaryFile(prefix="mmtwin-journal-")
            self.spill_first = self.first
        self.spill.seek(16 * (self.first - self.spill_first))
        self.spill.write(self.chunk)
        self.first = self.end()
        self.at = 0

    def _load_past(self, position: u64) -> None:
        """Read the spilled chunk that holds ``position``; write the one held back if need be."""
        if self.spill is None or position < self.spill_first:
            raise JournalForgotten(f"position {position} is not kept")
        if self.past_dirty:
            self.spill.seek(16 * (self.past_first - self.spill_first))
            self.spill.write(self.past)
        nth: u64 = (position - self.spill_first) // self.chunk_entries
        self.past_first = self.spill_first + nth * self.chunk_entries
        self.past_last = self.past_first + self.chunk_entries
        self.spill.seek(16 * (self.past_first - self.spill_first))
        self.past = array("Q")
        self.past.frombytes(self.spill.read(16 * self.chunk_entries))
        self.past_words = words_of(self.past)
        self.past_dirty = False
