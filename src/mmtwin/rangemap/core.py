"""One maple tree with its memory, its nodes and its values: what range maps share and copy."""

from __future__ import annotations

from array import array
from typing import Any

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple.direct import Direct
from mmtwin.maple.join import Join
from mmtwin.maple.maple import Maple
from mmtwin.maple.spot import Spot
from mmtwin.maple.state import MaState
from mmtwin.memory.allocator import Arena
from mmtwin.rangemap.growing import GrowingMemory
from mmtwin.rangemap.words import Words

if not cython.compiled:
    from mmtwin.rangemap.references import (
        fetch_object,
        hold,
        hold_all,
        keep,
        keep_whole,
        object_of,
        release,
        release_all,
        show_references,
    )

ERA = "6.18"
START_SIZE = 1 << 18
"""Bytes of memory at first; what is not touched costs nothing."""
TREE_SIZE = 32
NODE_SIZE = 256

TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)
GFP = declare(u64, 0xCC0)
ALLOC_RANGE = declare(i32, 1)
SLOTS = declare(i32, 16)
"""Slots of a leaf, and the word of its first one."""
AHEAD = declare(i64, 8)
"""How many entries before its turn an object is fetched."""
ROOM = declare(u64, 131072)
"""Twice what the slab takes at once, which is more than the nodes of any one store."""

assert GFP_KERNEL == 0xCC0


class Core:
    """A tree of entries over 0 .. 2**64 - 1 and the objects behind them.

    All ranges here are inclusive at both ends. ``users`` is how many range maps and snapshots read
    this core: whoever wants to write must be the only one (`clone`). ``version`` changes with every
    write, and tells an iterator whether its position is still good.
    """

    def __init__(self, gaps: bint) -> None:
        self.gaps = gaps
        self.memory = GrowingMemory(START_SIZE)
        self.slab = Arena(self.memory, NODE_SIZE, NODE_SIZE, "maple_node")
        self.engine = Maple(self.memory, self.slab, era=ERA)
        self.tree = self.memory.boot_alloc(TREE_SIZE, 16)
        self.engine.mt_init_flags(self.tree, ALLOC_RANGE if gaps else 0)
        self.root_word = (self.tree - self.memory.base + self.engine.root_at) >> 3
        self.spot = Spot(self.memory, self.engine.gap_none)
        self.join = Join(self.engine, self.spot, gaps)
        self.direct = Direct(self.engine, self.tree)
        self.held: dict[int, Any] = {}
        self.shifting = False
        self.count = 0
        self.version = 0
        self.users = 0
        self.writer = MaState(self.tree)
        self.reader = MaState(self.tree)

    def clone(self) -> Core:
        """The same tree, node for node, in a memory of its own; the values are shared."""
        made = Core(self.gaps)
        made.memory.copy_from(self.memory)
        made.held = hold_all(self.held, made.memory, made.root_word)
        made.count = self.count
        return made

    def __dealloc__(self) -> None:
        if self.root_word != 0:
            release_all(self.held, self.memory, self.root_word)

    # Reading.

    def load(self, index: u64) -> u64:
        """The entry at ``index``, 0 for none."""
        return self.spot.load(self.root_word, index)

    def value(self, entry: u64) -> Any:
        """The object of an entry."""
        return object_of(self.held, entry)

    def look(self, index: u64) -> u64:
        """The entry at ``index``; the range of its slot, NULL or not, is then ``reader``'s."""
        self.reader.set_range(index, index)
        return self.engine.mas_walk(self.reader)

    def seek(self, index: u64, last: u64) -> u64:
        """The first entry at or after ``index`` that begins at or before ``last``.

        Its range is then ``reader``'s. 0 if there is none.
        """
        self.reader.set_range(index, index)
        return self.engine.mas_find(self.reader, last)

    def seek_back(self, index: u64, first: u64) -> u64:
        """The last entry at or before ``index`` that ends at or after ``first``; as `seek`."""
        self.reader.set_range(index, index)
        return self.engine.mas_find_rev(self.reader, first)

    # Writing.

    def store(self, first: u64, last: u64, value: object) -> object:
        """Store an object over a range. MemoryError, with nothing changed, if there is no room.

        Returns the objects whose last range that was, for the caller to drop: by then the tree and
        the table are consistent again, and finalizers may use them.
        """
        self.memory.reserve(ROOM)
        return self.put(first, last, keep(self.held, value))

    def erase(self, first: u64, last: u64) -> object:
        """Make a range free; as `store`."""
        self.memory.reserve(ROOM)
        return self.put(first, last, 0)

    def erase_at(self, index: u64) -> tuple[int, int, Any] | None:
        """Make the whole range that holds ``index`` free: its first, last and object. None if there
        is none. MemoryError as `store`."""
        spot: Spot = self.spot
        self.memory.reserve(ROOM)
        entry: u64
        first: u64 = 0
        last: u64 = 0
        found: bint = spot.seek(self.root_word, index)
        if found:
            entry = spot.slot(spot.at)
            first = spot.start
            last = spot.slot_end(spot.at)
        else:
            # No node: the root is an entry for index 0, or nothing.
            entry = self.load(index)
        if entry == 0:
            return None
        range_ = (first, last, self.value(entry))
        if found:
            self.put_found(first, last, 0)
        else:
            self.put(first, last, 0)
        return range_

    def put(self, first: u64, last: u64, entry: u64) -> object:
        """Store an entry that has just been kept, or 0; there is room for new nodes."""
        if not self.spot.seek(self.root_word, first):
            return self.counted(entry, self.put_anywhere(first, last, entry))
        return self.put_found(first, last, entry)

    def put_found(self, first: u64, last: u64, entry: u64) -> object:
        """The same where ``spot`` has found ``first``."""
        spot: Spot = self.spot
        gone: object
        if spot.take(first, last, entry):
            if entry == 0 and spot.at == spot.stop and spot.slot(spot.at) == 0:
                return None
            gone = self.covered()
            lifts: bint = self.gaps and not spot.alone and spot.weigh(entry)
            spot.write(entry)
            if lifts:
                spot.lift()
        elif self.join.prepare(entry):
            gone = self.covered()
            self.join.write()
        elif self.join.plan(first, last, entry):
            gone = self.account(first, last)
            self.join.rewrite()
        else:
            gone = self.put_anywhere(first, last, entry)
        return self.counted(entry, gone)

    def counted(self, entry: u64, gone: object) -> object:
        """Count a store that was done; returns what it was given."""
        self.version += 1
        if entry != 0:
            self.count += 1
        return gone

    def covered(self) -> object:
        """Account for the slots that ``spot`` is to change; returns the objects that go."""
        spot: Spot = self.spot
        old: u64
        left: bint = spot.first > spot.start
        right: bint = spot.last < spot.high
        if spot.at == spot.stop:
            old = spot.slot(spot.at)
            return self.cut(left, right, old) if old != 0 else None
        at: i32
        for at in range(spot.at, spot.stop + 1):
            fetch_object(spot.slot(at))
        gone: list[object] = []
        for at in range(spot.at, spot.stop + 1):
            old = spot.slot(at)
            if old != 0:
                gone.append(self.cut(left and at == spot.at, right and at == spot.stop, old))
        return gone

    def put_anywhere(self, first: u64, last: u64, entry: u64) -> object:
        """Any store. Its nodes are had before anything changes."""
        mas: MaState = self.writer
        mas.set_range(first, last)
        error: i32 = self.engine.mas_preallocate(mas, entry, GFP)
        if error:
            if entry != 0:
                release(self.held, entry)
            raise MemoryError(f"the tree has no nodes left: error {error}")
        gone: object = self.account(first, last)
        mas.set_range(first, last)
        self.shifting = True
        try:
            self.engine.mas_store_prealloc(mas, entry)
        finally:
            self.shifting = False
        return gone

    def account(self, first: u64, last: u64) -> object:
        """Account for everything that a store over a range changes; returns the objects that go."""
        old: u64
        direct: Direct = self.direct
        if not direct.readable():
            # No node: the root is an entry for index 0, or nothing.
            old = self.load(0)
            return self.cut(False, False, old) if old != 0 and first == 0 else None
        old = direct.enter(first)
        if direct.high >= last:
            return self.cut(direct.low < first, direct.high > last, old) if old != 0 else None
        gone: list[object] = []
        leaf: u64 = 0
        at: i32
        while True:
            if direct.word != leaf:
                leaf = direct.word
                for at in range(SLOTS):
                    fetch_object(self.memory.w[leaf + SLOTS + at])
            if old != 0:
                gone.append(self.cut(direct.low < first, direct.high > last, old))
            if direct.high >= last:
                return gone
            old = direct.onward()

    def cut(self, left: bint, right: bint, old: u64) -> object:
        """Account for a slot that the store changes: something of it stays on the ``left``, on
        the ``right``, on both, or nothing at all. Returns its object in the last case."""
        if left and right:
            hold(self.held, old)
            self.count += 1
        elif not left and not right:
            self.count -= 1
            return release(self.held, old)
        return None

    def clear(self) -> None:
        """Forget everything."""
        if self.count:
            self.erase(0, TOP)

    # Room.

    def room(self, low: u64, high: u64, size: u64, align: u64, from_top: bint) -> bint:
        """Find ``size`` free indexes within ``low`` to ``high``, beginning at a multiple of
        ``align``: the lowest place, or the highest with ``from_top``.

        True, and ``reader`` has the place; False if there is none. Exact: where the alignment
        spoils a hole the search goes on behind it.
        """
        mas: MaState = self.reader
        while low <= high and high - low >= size - 1:
            if not self.hole(low, high, size, from_top):
                return False
            # The hole itself, within the window.
            start: u64 = mas.index if mas.index > low else low
            stop: u64 = mas.last if mas.last < high else high
            if from_top:
                place: u64 = stop - (size - 1)
                place -= place % align
                if place >= start:
                    mas.set_range(place, place + size - 1)
                    return True
                if start <= low:
                    return False
                high = start - 1
            else:
                over: u64 = start % align
                if over == 0 or TOP - start >= align - over:
                    place = start + (align - over if over else 0)
                    if place <= stop and stop - place >= size - 1:
                        mas.set_range(place, place + size - 1)
                        return True
                if stop >= high:
                    return False
                low = stop + 1
        return False

    def hole(self, low: u64, high: u64, size: u64, from_top: bint) -> bint:
        """Find the first hole that has ``size`` indexes of the window, from below or the top.

        ``reader`` then has the whole hole, which may reach out of the window.
        """
        mas: MaState = self.reader
        direct: Direct = self.direct
        error: i32
        if direct.searchable():
            if from_top:
                if not direct.hole_down(low, high, size):
                    return False
            elif not direct.hole_up(low, high, size):
                return False
            mas.set_range(direct.low, direct.high)
            return True
        mas.set_range(0, 0)
        if from_top:
            error = self.engine.mas_empty_area_rev(mas, low, high, size)
        else:
            error = self.engine.mas_empty_area(mas, low, high, size)
        if error:
            return False
        return self.look(mas.index) == 0

    # Many at once.

    def put_many(self, firsts: Words, lasts: Words, values: list[Any]) -> None:
        """Store many ranges, both ends inclusive. ValueError at the first that is empty, with all
        before it stored."""
        at: i64 = 0
        while at < firsts.count:
            first: u64 = firsts.at(at)
            last: u64 = lasts.at(at)
            if last < first:
                raise ValueError(f"range {at} is empty: it starts at {first}")
            self.store(first, last, values[at])
            at += 1

    def erase_many(self, indexes: Words) -> u64:
        """Remove the whole ranges that hold the indexes; how many there were."""
        count: u64 = self.count
        gone: list[object] = []
        at: i64 = 0
        spot: Spot = self.spot
        while at < indexes.count:
            self.memory.reserve(ROOM)
            if not spot.seek(self.root_word, indexes.at(at)):
                gone.append(self.erase_at(indexes.at(at)))
            elif spot.slot(spot.at) != 0:
                gone.append(self.put_found(spot.start, spot.slot_end(spot.at), 0))
            at += 1
        return count - self.count

    def fill_many(
        self, sizes: Words, values: list[Any], low: u64, high: u64, align: u64, from_top: bint
    ) -> array[int]:
        """Find room for each size between ``low`` and ``high`` (inclusive) and store there: where
        they begin, of as many as found room before the first that did not."""
        places = array("Q")
        at: i64 = 0
        while at < sizes.count:
            size: u64 = sizes.at(at)
            if size == 0:
                raise ValueError(f"size {at} is 0")
            if not self.room(low, high, size, align, from_top):
                break
            place: u64 = self.reader.index
            self.store(place, self.reader.last, values[at])
            places.append(place)
            at += 1
        return places

    def arrays(self) -> tuple[array[int], array[int], list[Any]]:
        """First and last (inclusive) and object of every range, in order."""
        room = bytes(8 * self.count)
        firsts, lasts, entries = array("Q", room), array("Q", room), array("Q", room)
        direct: Direct = self.direct
        if direct.readable():
            direct.enter(0)
            direct.pour(TOP, firsts, lasts, entries)
        elif self.count:
            entries[0] = self.seek(0, TOP)
            firsts[0], lasts[0] = self.reader.index, self.reader.last
        words = Words(entries)
        objects: list[Any] = [None] * words.count
        at: i64 = 0
        while at < words.count:
            if at + AHEAD < words.count:
                fetch_object(words.at(at + AHEAD))
            objects[at] = object_of(self.held, words.at(at))
            at += 1
        return firsts, lasts, objects

    def load_many(self, indexes: Words, default: object) -> list[Any]:
        """The objects at many indexes."""
        found = [default] * indexes.count
        entries = Words(array("Q", bytes(8 * indexes.count)))
        at: i64 = 0
        while at < indexes.count:
            entry: u64 = self.spot.load(self.root_word, indexes.at(at))
            entries.view[at] = entry
            fetch_object(entry)
            if at >= AHEAD and entries.at(at - AHEAD) != 0:
                found[at - AHEAD] = object_of(self.held, entries.at(at - AHEAD))
            at += 1
        at = at - AHEAD if at > AHEAD else 0
        while at < indexes.count:
            if entries.at(at) != 0:
                found[at] = object_of(self.held, entries.at(at))
            at += 1
        return found


class Holder:
    """Whatever reads a core, alone or with others."""

    def __init__(self, core: Core) -> None:
        self.core = core
        core.users += 1

    def __del__(self) -> None:
        if self.core is not None:
            self.core.users -= 1

    def own(self) -> Core:
        """The core, after making sure that nobody else sees what is written to it."""
        if self.core.users > 1:
            self.core.users -= 1
            self.core = self.core.clone()
            self.core.users = 1
        return self.core


show_references(Core)
keep_whole(Core)
keep_whole(GrowingMemory)
