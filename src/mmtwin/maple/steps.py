"""Stepping from slot to slot, and the public steps of all eras.

From 6.8 a cursor that would pass its limit stays on its slot and becomes "overflow" or
"underflow"; a step the other way then starts from there. The ``*_range`` steps stop on NULL slots
too: the end is told by the status, not by the NULL returned.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.maple.state import MaState
from mmtwin.maple.typed import Typed

if not cython.compiled:
    from mmtwin.maple.words import (
        data_end_of,
        dead_node,
        pivot_at,
        root_of,
        safe_min,
        safe_pivot,
        slot_at,
        type_of,
    )

ACTIVE = declare(i32, 0)
START = declare(i32, 1)
ROOT = declare(i32, 2)
NONE = declare(i32, 3)
PAUSE = declare(i32, 4)
OVERFLOW = declare(i32, 5)
UNDERFLOW = declare(i32, 6)
ERROR = declare(i32, 7)
SLOTS_MAX = declare(i32, 16384)
"""More slots and restarts than any one step takes: two NULLs never adjoin."""


class Steps(Typed):
    """``mas_next``, ``mas_prev``, ``mas_find``, ``mas_find_rev`` and their slot-wise kin."""

    def _rewalked(self, mas: MaState, node: u64, index: u64) -> bint:
        if not dead_node(self, node):
            return False
        self.mas_rewalk(mas, index)
        return True

    def _may_activate(self, mas: MaState) -> None:
        """Go on from a limit: with the old node only if it still covers ``index``
        (12f1d7931283, "maple_tree: correct handling of over/underflow ...")."""
        if mas.node == 0 or mas.index < mas.min or mas.index > mas.max:
            mas.reset()
        else:
            mas.status = ACTIVE

    def mas_next_slot(self, mas: MaState, max: u64, empty: bint) -> u64:
        """The entry of the next slot that begins at or before ``max``; without ``empty`` NULLs
        are passed over. At the limit the status becomes overflow and nothing moves further."""
        save: u64 = mas.last
        tries: i32 = 0
        while mas.status == ACTIVE:
            tries += 1
            if tries > SLOTS_MAX:
                self.stuck("mas_next_slot")
            node: u64 = mas.node & ~255
            type: i32 = type_of(self, mas.node)
            end: i32 = data_end_of(self, node, type, mas.max)
            pivot: u64 = mas.max
            if mas.offset < end:
                pivot = pivot_at(self, node, mas.offset)
            if self._rewalked(mas, node, save):
                continue
            if pivot >= max:
                mas.status = OVERFLOW
                return 0
            if mas.offset < end:
                mas.index = pivot + 1
                mas.offset += 1
                mas.last = safe_pivot(self, node, type, mas.offset, mas.max)
                if mas.offset == end:
                    mas.last = mas.max
            else:
                if self.mas_next_node(mas, node, max):
                    self.mas_rewalk(mas, save)
                    continue
                if mas.status == NONE:
                    mas.status = OVERFLOW
                    return 0
                mas.offset = 0
                mas.index = mas.min
                node = mas.node & ~255
                type = type_of(self, mas.node)
                mas.last = pivot_at(self, node, 0)
            entry: u64 = slot_at(self, node, type, mas.offset)
            if self._rewalked(mas, node, save):
                continue
            if entry != 0 or empty:
                return entry
            if mas.last >= max:
                mas.status = OVERFLOW
                return 0
            save = mas.last
        return 0

    def mas_prev_slot(self, mas: MaState, min: u64, empty: bint) -> u64:
        """The entry of the slot before, down to the one that holds ``min``; without ``empty``
        NULLs are passed over. At the limit the status becomes underflow."""
        save: u64 = mas.index
        tries: i32 = 0
        while mas.status == ACTIVE:
            tries += 1
            if tries > SLOTS_MAX:
                self.stuck("mas_prev_slot")
            node: u64 = mas.node & ~255
            type: i32 = type_of(self, mas.node)
            first: u64 = safe_min(self, node, mas.offset, mas.min)
            if self._rewalked(mas, node, save):
                continue
            if first <= min:
                mas.status = UNDERFLOW
                return 0
            if mas.offset > 0:
                mas.offset -= 1
                mas.last = first - 1
            else:
                if self.mas_prev_node(mas, min):
                    self.mas_rewalk(mas, save)
                    continue
                if mas.status == NONE:
                    mas.status = UNDERFLOW
                    return 0
                mas.last = mas.max
                node = mas.node & ~255
                type = type_of(self, mas.node)
            mas.index = safe_min(self, node, mas.offset, mas.min)
            entry: u64 = slot_at(self, node, type, mas.offset)
            if self._rewalked(mas, node, save):
                continue
            if entry != 0 or empty:
                return entry
            if mas.index <= min:
                mas.status = UNDERFLOW
                return 0
            save = mas.index
        return 0

    # Getting into position, then the step.

    def _next(self, mas: MaState, max: u64, empty: bint) -> u64:
        was_none: bint = mas.status == NONE
        back: bint = mas.status == UNDERFLOW
        entry: u64
        if mas.last >= max:
            mas.status = OVERFLOW
            return 0
        self._leave_limit(mas)
        if mas.status == START or back:
            entry = self.mas_walk(mas)
            if back and entry != 0:
                return entry
        if mas.status == ROOT:
            if was_none and mas.index == 0:
                mas.last = 0
                return 0
            mas.index = 1
            mas.last = self.max_index
            mas.status = NONE
        return self.mas_next_slot(mas, max, empty)

    def _prev(self, mas: MaState, min: u64, empty: bint) -> u64:
        back: bint = mas.status == OVERFLOW
        entry: u64
        index: u64 = mas.index
        if index <= min:
            mas.status = UNDERFLOW
            return 0
        self._leave_limit(mas)
        if mas.status == START or back:
            entry = self.mas_walk(mas)
            if back and entry != 0:
                return entry
        if mas.status == ROOT or mas.status == NONE:
            if mas.index == 0:
                mas.status = NONE
                return 0
            mas.index = mas.last = 0
            mas.status = ROOT
            entry = root_of(self, mas.tree)
            if entry & 3 == 2 and entry > 4096:
                # No entry: a writer has put nodes there since the walk.
                mas.set(index)
                return self._prev(mas, min, empty)
            return entry
        return self.mas_prev_slot(mas, min, empty)

    def _leave_limit(self, mas: MaState) -> None:
        if mas.status == NONE or mas.status == PAUSE:
            mas.reset()
        elif mas.status == OVERFLOW or mas.status == UNDERFLOW:
            self._may_activate(mas)

    def _find(self, mas: MaState, max: u64, empty: bint) -> u64:
        entry: u64
        if mas.status != ACTIVE:
            limit: bint = mas.status == OVERFLOW or mas.status == UNDERFLOW
            if mas.status == UNDERFLOW and mas.index >= max:
                mas.status = OVERFLOW
                return 0
            if (mas.status == PAUSE or mas.status == NONE) and mas.last == self.max_index:
                return 0
            if mas.status == PAUSE:
                mas.last += 1
            if mas.status == PAUSE or mas.status == NONE:
                mas.index = mas.last
            if mas.status == OVERFLOW and mas.last >= max:
                return 0
            self._leave_limit(mas)
            if mas.status == START and mas.index > max:
                return 0
            if mas.status == START or limit:
                entry = self.mas_walk(mas)
                if entry != 0:
                    return entry
            if mas.status == ROOT:
                mas.status = NONE
                mas.index = 1
                mas.last = self.max_index
            if mas.index == max:
                return 0
        elif mas.last >= max:
            return 0
        entry = self.mas_next_slot(mas, max, empty)
        if not empty and mas.status == OVERFLOW:
            mas.status = ACTIVE
        return entry

    def _find_rev(self, mas: MaState, min: u64, empty: bint) -> u64:
        entry: u64
        index: u64 = mas.index
        if mas.status != ACTIVE:
            if mas.status == ERROR:
                return 0
            if mas.status != START and mas.status != ROOT and mas.index <= min:
                if mas.status != NONE:
                    mas.status = UNDERFLOW
                return 0
            if mas.status == PAUSE:
                mas.index -= 1
            if mas.status == PAUSE or mas.status == NONE:
                mas.last = mas.index
            self._leave_limit(mas)
            if mas.status == START:
                if mas.index < min:
                    return 0
                entry = self.mas_walk(mas)
                if entry != 0:
                    return entry
            if mas.status == ROOT:
                mas.status = NONE
                return 0
            if mas.status == NONE:
                mas.last = mas.index = 0
                mas.status = ROOT
                entry = root_of(self, mas.tree)
                if entry & 3 == 2 and entry > 4096:
                    # No entry: a writer has put nodes there since the walk.
                    mas.set(index)
                    return self._find_rev(mas, min, empty)
                return entry
        if mas.index < min:
            return 0
        return self.mas_prev_slot(mas, min, empty)

    # The public steps.

    def mas_next(self, mas: MaState, max: u64) -> u64:
        """The first entry after the state's range that begins at or before ``max``, 0 for none."""
        if self.bounded_states:
            return self._next(mas, max, False)
        return self._next_unbounded(mas, max)

    def mas_prev(self, mas: MaState, min: u64) -> u64:
        """The last entry before the state's range that ends at or after ``min``, 0 for none."""
        if self.bounded_states:
            return self._prev(mas, min, False)
        return self._prev_unbounded(mas, min)

    def mas_find(self, mas: MaState, max: u64) -> u64:
        """On a fresh state the entry at ``index`` or the next one; later the next one. ``max`` is
        the limit (inclusive), not where the search begins. 0 at the end."""
        if self.bounded_states:
            return self._find(mas, max, False)
        return self._find_unbounded(mas, max)

    def mas_find_rev(self, mas: MaState, min: u64) -> u64:
        """On a fresh state the entry at ``index`` or the one before; later the one before.
        ``min`` is the limit (inclusive). 0 at the end."""
        if self.bounded_states:
            return self._find_rev(mas, min, False)
        return self._find_rev_unbounded(mas, min)

    def mas_next_range(self, mas: MaState, max: u64) -> u64:
        """The next slot's entry, NULL slots included; at the end the status is overflow."""
        return self._next(mas, max, True)

    def mas_prev_range(self, mas: MaState, min: u64) -> u64:
        """The slot before, NULL slots included; at the end the status is underflow."""
        return self._prev(mas, min, True)

    def mas_find_range(self, mas: MaState, max: u64) -> u64:
        """The entry at ``index`` if there is one, else (and later) the next slot, NULL or not."""
        return self._find(mas, max, True)

    def mas_find_range_rev(self, mas: MaState, min: u64) -> u64:
        """The entry at ``index`` if there is one, else (and later) the slot before, NULL or not."""
        return self._find_rev(mas, min, True)
