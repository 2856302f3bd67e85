"""Everything that only reads: what a range map and a snapshot of one have in common."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import Any

import cython
from cython import bint, declare
from cython import ulonglong as u64

from mmtwin.rangemap.core import Core, Holder
from mmtwin.rangemap.iterate import Gaps, Ranges, Values
from mmtwin.rangemap.keys import first_of, index_of, last_of, size_of, unstepped
from mmtwin.rangemap.picture import html, text
from mmtwin.rangemap.words import Words

if not cython.compiled:
    from mmtwin.rangemap.keys import start_of, stop_of

TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)

Found = tuple[int, int, Any]
"""start, last (inclusive), value"""

_absent = object()


class RangeReader(Holder):
    """A total map from 0 .. 2**64 - 1 to a value or nothing, in ranges.

    Arguments named ``start`` and ``low`` are inclusive, ``stop`` and ``high`` exclusive; None means
    the end of the index space. Tuples that come out are ``(start, last, value)``, both ends
    inclusive. An index below 0 or above 2**64 - 1 raises IndexError, an empty range ValueError.
    """

    @classmethod
    def __class_getitem__(cls, item: Any) -> type:
        """``MapleTree[str]`` in annotations."""
        return cls

    # One index.

    def __getitem__(self, key: Any) -> Any:
        """``t[index]``: the value there, KeyError if there is none. ``t[start:stop]``: a list of
        ``(start, last, value)`` of what lies in the half-open slice, clipped to it."""
        if isinstance(key, slice):
            unstepped(key)
            return list(self.ranges(start_of(key), stop_of(key)))
        entry: u64 = self.core.load(index_of(key))
        if entry == 0:
            raise KeyError(key)
        return self.core.value(entry)

    def get(self, index: Any, default: Any = None) -> Any:
        """The value at ``index``, or ``default`` if there is none."""
        entry: u64 = self.core.load(index_of(index))
        return self.core.value(entry) if entry != 0 else default

    def __contains__(self, index: Any) -> bool:
        """Whether some range holds ``index``."""
        return self.core.load(index_of(index)) != 0

    def at(self, index: Any) -> Found | None:
        """The ``(start, last, value)`` that holds ``index``, both ends inclusive, or None."""
        core: Core = self.core
        return self._found(core.look(index_of(index)))

    # Finding.

    def find(self, index: Any = 0, stop: Any = None) -> Found | None:
        """The range that holds ``index``, or else the first one after it, if it has an index below
        ``stop`` (exclusive): ``(start, last, value)``, not clipped; None if there is none."""
        core: Core = self.core
        first: u64 = index_of(index)
        last: u64 = last_of(0, stop)
        return self._found(core.seek(first, last)) if first <= last else None

    def next(self, index: Any) -> Found | None:
        """The first range after the one, or after the gap, that holds ``index``."""
        core: Core = self.core
        core.look(index_of(index))
        last: u64 = core.reader.last
        if last == TOP:
            return None
        return self._found(core.seek(last + 1, TOP))

    def prev(self, index: Any) -> Found | None:
        """The last range before the one, or before the gap, that holds ``index``."""
        core: Core = self.core
        core.look(index_of(index))
        first: u64 = core.reader.index
        if first == 0:
            return None
        return self._found(core.seek_back(first - 1, 0))

    def first(self) -> Found | None:
        """The lowest range; None if the map is empty."""
        return self._found(self.core.seek(0, TOP))

    def last(self) -> Found | None:
        """The highest range; None if the map is empty."""
        return self._found(self.core.seek_back(TOP, 0))

    def find_gap(
        self,
        size: Any,
        low: Any = 0,
        high: Any = None,
        align: Any = 1,
        from_top: bint = False,
    ) -> int | None:
        """Where ``size`` indexes in a row are free, at a multiple of ``align``; None if nowhere.

        The lowest place with ``low <= place`` and ``place + size <= high``, or the highest with
        ``from_top``. ``low`` is inclusive, ``high`` exclusive. A map made with ``gaps=False``
        raises ValueError.
        """
        core: Core = self.core
        if not core.gaps:
            raise ValueError("this range map was made with gaps=False: it does not know its gaps")
        wanted: u64 = size_of(size, "size")
        multiple: u64 = size_of(align, "align")
        first: u64 = index_of(low)
        if core.room(first, last_of(0, high), wanted, multiple, from_top):
            return core.reader.index
        return None

    # All of them.

    def __len__(self) -> int:
        """How many ranges there are. Neighbours with equal values count apart."""
        return self.core.count

    def __bool__(self) -> bool:
        return self.core.count != 0

    def __iter__(self) -> Iterator[Found]:
        """``(start, last, value)`` in order of the indexes, both ends inclusive.

        The map may be changed meanwhile; the iteration goes on behind the last range it gave.
        """
        return Ranges(self, 0, TOP, False)

    def __reversed__(self) -> Iterator[Found]:
        return Ranges(self, 0, TOP, True)

    def ranges(self, start: Any = None, stop: Any = None, reverse: bint = False) -> Iterator[Found]:
        """``(start, last, value)`` of what lies between ``start`` (inclusive) and ``stop``
        (exclusive), clipped to them; from the top with ``reverse``."""
        first: u64 = first_of(start)
        return Ranges(self, first, last_of(first, stop), reverse)

    def gaps(self, start: Any = None, stop: Any = None) -> Iterator[tuple[int, int]]:
        """``(start, last)`` of every free run of indexes between ``start`` (inclusive) and
        ``stop`` (exclusive), clipped to them, both ends inclusive."""
        first: u64 = first_of(start)
        return Gaps(Ranges(self, first, last_of(first, stop), False))

    def values(self, start: Any = None, stop: Any = None) -> Iterator[Any]:
        """The values of the ranges between ``start`` (inclusive) and ``stop`` (exclusive)."""
        first: u64 = first_of(start)
        return Values(Ranges(self, first, last_of(first, stop), False))

    def get_many(self, indexes: Iterable[int], default: Any = None) -> list[Any]:
        """The values at many indexes, ``default`` where there is none.

        Fastest with an ``array('Q')`` or a NumPy array of ``uint64``.
        """
        return self.core.load_many(Words(indexes), default)

    def to_arrays(self) -> tuple[array[int], array[int], list[Any]]:
        """All ranges in order, as three columns: starts and lasts (both inclusive), each an
        ``array('Q')``, and the values."""
        core: Core = self.core
        return core.arrays()

    # As a whole.

    def __eq__(self, other: object) -> bool:
        """Equal at every index. How a run of equal values is divided into ranges does not count."""
        if not isinstance(other, RangeReader):
            return NotImplemented
        return other.core is self.core or list(joined(self)) == list(joined(other))

    __hash__ = None  # type: ignore[assignment]  # it can change

    def __repr__(self) -> str:
        return text(self)

    def _repr_html_(self) -> str:
        """A picture of the ranges and of the tree that holds them, for notebooks."""
        return html(self)

    def stats(self) -> dict[str, int]:
        """``ranges``, ``height`` (levels of nodes), ``nodes`` and ``bytes`` (of the nodes)."""
        core: Core = self.core
        nodes = core.slab.in_use()
        return {
            "ranges": core.count,
            "height": core.engine.mt_height(core.tree),
            "nodes": nodes,
            "bytes": 256 * nodes,
        }

    def _found(self, entry: u64) -> Found | None:
        core: Core = self.core
        if entry == 0:
            return None
        return core.reader.index, core.reader.last, core.value(entry)


def joined(ranges: Iterable[Found]) -> Iterator[list[Any]]:
    """The same map with equal neighbours joined."""
    run: list[Any] | None = None
    for start, last, value in ranges:
        if run is not None and run[1] + 1 == start and (run[2] is value or run[2] == value):
            run[1] = last
            continue
        if run is not None:
            yield run
        run = [start, last, value]
    if run is not None:
        yield run
