"""The range map itself: a reader that can also be written."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import cython
from cython import bint
from cython import ulonglong as u64

from mmtwin.rangemap.core import Core
from mmtwin.rangemap.keys import END, first_of, index_of, last_of, size_of, unstepped
from mmtwin.rangemap.reader import Found, RangeReader
from mmtwin.rangemap.words import Words

if not cython.compiled:
    from mmtwin.rangemap.keys import start_of, stop_of


class NoRoom(LookupError):
    """There is no gap as large as was asked for, or not where it was asked for."""


class Snapshot(RangeReader):
    """A range map as it was at one moment. Read-only; made by `MapleTree.snapshot`."""

    def copy(self) -> MapleTree:
        """A map that can be written, with the snapshot's content. Costs nothing until then."""
        return sharing(self.core)

    def __copy__(self) -> Snapshot:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return frozen, (self.copy(),)


class MapleTree(RangeReader):
    """A range map: ``t[start:stop] = value``, ``t[index]``, ``del t[start:stop]``.

    Keys are integers from 0 to 2**64 - 1. Slices are half-open, as everywhere in Python; tuples
    that come out are ``(start, last, value)`` with both ends inclusive. An assignment overwrites
    what was there, and cuts or splits the ranges at its edges. Neighbours stay apart even if their
    values are equal. Any object can be a value, None as well.

    ``ranges`` are ``(start, stop, value)``, half-open, stored in their order. ``gaps=False`` makes
    a tree that does not track its gaps: lookups are somewhat faster, `allocate` and `find_gap` do
    not work.

    Every call is atomic under the GIL. Inside is the maple tree of Linux 6.18, node for node.
    """

    def __init__(self, ranges: Iterable[tuple[Any, Any, Any]] = (), *, gaps: bint = True) -> None:
        super().__init__(Core(gaps))
        self.update(ranges)

    # Ways to make one.

    @classmethod
    def from_arrays(
        cls,
        starts: Iterable[int],
        stops: Iterable[int],
        values: Iterable[Any],
        *,
        gaps: bint = True,
    ) -> MapleTree:
        """A map of many ranges at once: half-open, stored in their order; equal lengths.

        Fastest in ascending order and with ``array('Q')`` or NumPy arrays of ``uint64``.
        """
        made = cls(gaps=gaps)
        made.store_many(starts, stops, values)
        return made

    def copy(self) -> MapleTree:
        """Another map with the same content. Nothing is copied until one of the two is written."""
        return sharing(self.core)

    def __copy__(self) -> MapleTree:
        return sharing(self.core)

    def __deepcopy__(self, memo: dict[int, Any]) -> MapleTree:
        made = MapleTree(gaps=self.core.gaps)
        memo[id(self)] = made
        for start, last, value in self:
            made[start : last + 1] = deepcopy(value, memo)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        starts, lasts, values = array("Q"), array("Q"), []
        for start, last, value in self:
            starts.append(start)
            lasts.append(last)
            values.append(value)
        return rebuilt, (starts, lasts, values, self.core.gaps)

    def snapshot(self) -> Snapshot:
        """The map as it is now, to be read while this one changes.

        It costs nothing until the next write to this map, which then copies the nodes first.
        """
        return Snapshot(self.core)

    # Writing.

    def __setitem__(self, key: Any, value: Any) -> None:
        """``t[start:stop] = value`` (half-open) or ``t[index] = value``."""
        first: u64
        last: u64
        if isinstance(key, slice):
            unstepped(key)
            first = first_of(start_of(key))
            last = last_of(first, stop_of(key))
        else:
            first = last = index_of(key)
        core: Core = self.own()
        core.store(first, last, value)

    def __delitem__(self, key: Any) -> None:
        """``del t[start:stop]`` (half-open) empties the slice, whatever is in it; ``del t[index]``
        empties one index, KeyError if it holds nothing."""
        first: u64
        last: u64
        if isinstance(key, slice):
            unstepped(key)
            first = first_of(start_of(key))
            last = last_of(first, stop_of(key))
        else:
            first = last = index_of(key)
            if self.core.load(first) == 0:
                raise KeyError(key)
        core: Core = self.own()
        core.erase(first, last)

    def insert(self, start: Any, stop: Any, value: Any) -> None:
        """Store over ``start`` (inclusive) to ``stop`` (exclusive) only if all of it is free.

        ValueError, with nothing changed, if any of it is not.
        """
        first: u64 = first_of(start)
        last: u64 = last_of(first, stop)
        core: Core = self.own()
        if core.seek(first, last) != 0:
            raise ValueError(f"{core.reader.index} .. {core.reader.last} (inclusive) is in the way")
        core.store(first, last, value)

    def erase(self, index: Any) -> Found:
        """Remove the whole range that holds ``index``: its ``(start, last, value)``, both ends
        inclusive. KeyError if there is none."""
        core: Core = self.own()
        found = core.erase_at(index_of(index))
        if found is None:
            raise KeyError(index)
        return found

    def clear(self) -> None:
        """Remove everything."""
        self.own().clear()

    def update(self, ranges: Iterable[tuple[Any, Any, Any]]) -> None:
        """Store ``(start, stop, value)`` ranges, half-open, in their order.

        Another range map lays its content over this one's.
        """
        if isinstance(ranges, RangeReader):
            for start, last, value in Snapshot(ranges.core):
                self[start : last + 1] = value
            return
        for start, stop, value in ranges:
            self[start:stop] = value

    def store_many(
        self, starts: Iterable[int], stops: Iterable[int], values: Iterable[Any]
    ) -> None:
        """Store many ranges, half-open, in their order. ValueError if the lengths differ."""
        firsts, lasts, objects = Words(starts), inclusive(stops), list(values)
        if not firsts.count == lasts.count == len(objects):
            raise ValueError(
                f"{firsts.count} starts, {lasts.count} stops and {len(objects)} values"
            )
        self.own().put_many(firsts, lasts, objects)

    def erase_many(self, indexes: Iterable[int]) -> int:
        """Remove every range that holds one of the indexes, whole; how many ranges there were.

        An index that nothing holds, or not any more, is passed over.
        """
        wanted = Words(indexes)
        return self.own().erase_many(wanted)

    def allocate_many(
        self,
        sizes: Iterable[int],
        values: Iterable[Any],
        low: Any = 0,
        high: Any = None,
        align: Any = 1,
        from_top: bint = False,
    ) -> array[int]:
        """`allocate` for each size in turn: where the places begin.

        If one finds no room, or is 0, those before it are stored and NoRoom, or ValueError, is
        raised.
        """
        wanted, objects = Words(sizes), list(values)
        if wanted.count != len(objects):
            raise ValueError(f"{wanted.count} sizes and {len(objects)} values")
        core: Core = self.own()
        if not core.gaps:
            raise ValueError("this range map was made with gaps=False: it does not know its gaps")
        multiple: u64 = size_of(align, "align")
        first: u64 = index_of(low)
        places = core.fill_many(wanted, objects, first, last_of(0, high), multiple, from_top)
        if len(places) < len(objects):
            size = wanted.at(len(places))
            raise NoRoom(f"no {size} free indexes in a row from {low} to {high}")
        return places

    def allocate(
        self,
        size: Any,
        value: Any,
        low: Any = 0,
        high: Any = None,
        align: Any = 1,
        from_top: bint = False,
    ) -> int:
        """Find ``size`` free indexes in a row, store ``value`` there, and return where they begin.

        The lowest place with ``low <= place`` and ``place + size <= high``, or the highest with
        ``from_top``; a multiple of ``align``. ``low`` is inclusive, ``high`` exclusive. NoRoom if
        there is no such place.
        """
        core: Core = self.own()
        if not core.gaps:
            raise ValueError("this range map was made with gaps=False: it does not know its gaps")
        wanted: u64 = size_of(size, "size")
        multiple: u64 = size_of(align, "align")
        first: u64 = index_of(low)
        if not core.room(first, last_of(0, high), wanted, multiple, from_top):
            raise NoRoom(f"no {size} free indexes in a row from {low} to {high}")
        place: u64 = core.reader.index
        core.store(place, core.reader.last, value)
        return place


def sharing(core: Core) -> MapleTree:
    """A map on a core that others read as well."""
    made = MapleTree.__new__(MapleTree)
    RangeReader.__init__(made, core)
    return made


def frozen(tree: MapleTree) -> Snapshot:
    """How a snapshot is unpickled."""
    return tree.snapshot()


def rebuilt(starts: array[int], lasts: array[int], values: list[Any], gaps: bool) -> MapleTree:
    """How a map is unpickled: from inclusive ranges in order."""
    made = MapleTree(gaps=gaps)
    made.core.put_many(Words(starts), Words(lasts), values)
    return made


def inclusive(stops: Iterable[int]) -> Words:
    """Exclusive ends as inclusive ones."""
    found = array("Q")
    for stop in stops:
        if not 0 < stop <= END:
            raise ValueError(f"a range stops at {stop}, which is not in 1 .. 2**64")
        found.append(int(stop) - 1)
    return Words(found)
