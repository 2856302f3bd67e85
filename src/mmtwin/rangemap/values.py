"""The objects behind the entries of a range map.

A tree stores words. The object that a range maps to is held in a table here, and the word says
where: a value entry, ``place << 1 | 1``. As one range may be split into several, the table counts
how many slots of the tree hold each word; the object goes when the last of them is gone.
"""

from __future__ import annotations

from cython import longlong as i64
from cython import ulonglong as u64


class Values:
    """A table of objects by entry."""

    def __init__(self) -> None:
        self.items: list[object] = []
        self.free: list[int] = []
        self.more: dict[int, int] = {}
        """Slots beyond the first, by entry; most ranges have just one."""

    def add(self, value: object) -> u64:
        """A new entry for an object, held once."""
        place: i64
        if self.free:
            place = self.free.pop()
            self.items[place] = value
        else:
            place = len(self.items)
            self.items.append(value)
        where: u64 = place
        return where << 1 | 1

    def value(self, entry: u64) -> object:
        """The object of an entry."""
        return self.items[entry >> 1]

    def hold(self, entry: u64) -> None:
        """One more slot holds the entry."""
        self.more[entry] = self.more.get(entry, 0) + 1

    def release(self, entry: u64) -> object:
        """One slot less holds the entry.

        Returns the object if that was the last one, so that the caller decides when it dies: a
        finalizer may call back into the tree.
        """
        if self.more:
            others = self.more.get(entry, 0)
            if others > 1:
                self.more[entry] = others - 1
                return None
            if others == 1:
                del self.more[entry]
                return None
        place: u64 = entry >> 1
        value = self.items[place]
        self.items[place] = None
        self.free.append(place)
        return value

    def copy(self) -> Values:
        """Another table with the same objects under the same entries."""
        made = Values()
        made.items = self.items.copy()
        made.free = self.free.copy()
        made.more = self.more.copy()
        return made
