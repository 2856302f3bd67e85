"""Stepping from entry to entry as 6.1 does it, both ways.

A cursor of this era cannot say that it ran past a limit: at the end of a search forwards it stays
in its last node with ``index`` and ``last`` set to the limit, at the end of one backwards it is
"none". ``steps`` holds the later manner.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.maple.state import MaState
from mmtwin.maple.walk import Walk

if not cython.compiled:
    from mmtwin.maple.words import (
        data_end_of,
        dead_node,
        died,
        end_at,
        end_of,
        index_of,
        is_dead,
        pivot_at,
        root_node,
        root_of,
        safe_min,
        safe_pivot,
        slot_at,
        type_of,
        word,
    )

ACTIVE = declare(i32, 0)
START = declare(i32, 1)
ROOT = declare(i32, 2)
NONE = declare(i32, 3)
PAUSE = declare(i32, 4)
HEIGHT_MAX = declare(i32, 32)
RETRIES_MAX = declare(i32, 256)
NODES_MAX = declare(i32, 1024)
"""More nodes than any one step passes: every leaf holds an entry, but for the bugs put back."""


class Iterate(Walk):
    """Next and previous entry, node by node."""

    def mas_prev_node(self, mas: MaState, min: u64) -> i32:
        """Move to the node before this one on the same level; 1 if a dead node was met.

        The state becomes none if there is no such node or it ends below ``min``. ``offset`` is
        then the slot of the ancestor that was reached.
        """
        if mas.status == NONE:
            return 0
        level: i32 = 0
        offset: i32 = 0
        node: u64 = mas.node & ~255
        while offset == 0:
            if root_node(self, node):
                return self._nothing(mas, node)
            if self.mas_ascend(mas):
                return 1
            node = mas.node & ~255
            offset = mas.offset
            level += 1
            if level > HEIGHT_MAX:
                self.stuck("mas_prev_node")
        offset -= 1
        type: i32 = type_of(self, mas.node)
        if dead_node(self, node):
            return 1
        mas.max = pivot_at(self, node, offset)
        mas.min = safe_min(self, node, offset, mas.min)
        if dead_node(self, node):
            return 1
        if mas.max < min:
            mas.offset = offset
            return self._nothing(mas, node)
        while level > 1:
            level -= 1
            enode: u64 = slot_at(self, node, type, offset)
            if dead_node(self, node):
                return 1
            mas.node = enode
            node = enode & ~255
            type = type_of(self, enode)
            offset = data_end_of(self, node, type, mas.max)
            if dead_node(self, node):
                return 1
            mas.min = safe_min(self, node, offset, mas.min)
            mas.max = safe_pivot(self, node, type, offset, mas.max)
            if mas.max < min:
                return self._nothing(mas, node)
        mas.node = slot_at(self, node, type, offset)
        if dead_node(self, node):
            return 1
        mas.offset = end_at(self, mas)
        return 1 if dead_node(self, mas.node & ~255) else 0

    def _nothing(self, mas: MaState, node: u64) -> i32:
        if dead_node(self, node):
            return 1
        mas.status = NONE
        return 0

    def mas_next_node(self, mas: MaState, node: u64, max: u64) -> i32:
        """Move to the node after this one on the same level; 1 if a dead node was met.

        The state becomes none if there is no such node or it begins above ``max``.
        """
        if mas.max >= max:
            return self._nothing(mas, node)
        level: i32 = 0
        offset: i32
        type: i32
        min: u64
        end: i32
        while True:
            if root_node(self, node):
                return self._nothing(mas, node)
            min = (mas.max + 1) & self.max_index
            if min > max:
                return self._nothing(mas, node)
            if self.mas_ascend(mas):
                return 1
            offset = mas.offset
            level += 1
            if level > HEIGHT_MAX:
                self.stuck("mas_next_node")
            node = mas.node & ~255
            type = type_of(self, mas.node)
            end = data_end_of(self, node, type, mas.max)
            if dead_node(self, node):
                return 1
            if offset != end:
                break
        offset += 1
        pivot: u64 = safe_pivot(self, node, type, offset, mas.max)
        enode: u64
        while level > 1:
            level -= 1
            enode = slot_at(self, node, type, offset)
            if dead_node(self, node):
                return 1
            mas.node = enode
            node = enode & ~255
            type = type_of(self, enode)
            offset = 0
            pivot = pivot_at(self, node, 0)
            if dead_node(self, node):
                return 1
        enode = slot_at(self, node, type, offset)
        if dead_node(self, node):
            return 1
        mas.node = enode
        mas.min = min
        mas.max = pivot
        return 0

    def mas_next_nentry(self, mas: MaState, node: u64, max: u64, type: i32) -> u64:
        """The next entry of this node from ``offset`` on, 0 if it has none up to ``max``.

        The slots beyond the data end must not be looked at: the last word of a leaf is its
        metadata, which is no entry.
        """
        if mas.last == mas.max:
            mas.index = mas.max
            return 0
        x: u64 = index_of(self, node)
        count: i32 = end_of(self, x, node, type, mas.max)
        if is_dead(self, x, node):
            return 0
        offset: i32 = mas.offset
        mas.index = mas.min
        if offset > 0:
            mas.index = (word(self, x, node, offset) + 1) & self.max_index
        if died(self, x, node) or mas.index > max or offset > count:
            return 0
        slots: i32 = self.slot_word[type]
        pivot: u64
        entry: u64
        while offset < count:
            pivot = word(self, x, node, offset + 1)
            entry = word(self, x, node, slots + offset)
            mas.offset = offset
            if died(self, x, node):
                return 0
            if entry != 0:
                mas.last = pivot
                return entry
            if pivot >= max:
                return 0
            mas.index = pivot + 1
            offset += 1
        mas.offset = offset
        if mas.index > mas.max:
            mas.index = mas.last
            return 0
        pivot = safe_pivot(self, node, type, offset, mas.max)
        entry = word(self, x, node, slots + offset)
        if died(self, x, node) or pivot == 0 or entry == 0:
            return 0
        mas.last = pivot
        return entry

    def mas_next_entry(self, mas: MaState, limit: u64) -> u64:
        """The next entry that begins at or before ``limit`` (inclusive), 0 if there is none."""
        if mas.index > limit:
            mas.index = mas.last = limit
            mas.pause()
            return 0
        last: u64 = mas.last
        tries: i32 = 0
        while mas.status == ACTIVE:
            tries += 1
            if tries > RETRIES_MAX:
                self.stuck("mas_next_entry")
            offset: i32 = mas.offset
            here: u64 = mas.node
            node: u64 = here & ~255
            type: i32 = type_of(self, here)
            mas.offset += 1
            full: bint = mas.offset >= self.slots_of[type]
            if full:
                mas.offset = self.slots_of[type] - 1
            nodes: i32 = 0
            again: bint = False
            while mas.status != NONE:
                if not full:
                    entry: u64 = self.mas_next_nentry(mas, node, limit, type)
                    if dead_node(self, node):
                        again = True
                        break
                    if entry != 0:
                        return entry
                    if mas.index > limit:
                        break
                full = False
                here = mas.node
                offset = mas.offset
                nodes += 1
                if nodes > NODES_MAX:
                    self.stuck("mas_next_entry")
                if self.mas_next_node(mas, node, limit):
                    again = True
                    break
                mas.offset = 0
                node = mas.node & ~255
                if mas.status != NONE:
                    type = type_of(self, mas.node)
            if again:
                self.mas_rewalk(mas, last)
                continue
            mas.index = mas.last = limit
            mas.offset = offset
            mas.node = here
            mas.status = ACTIVE
            return 0
        return 0

    def mas_prev_nentry(self, mas: MaState, limit: u64, index: u64) -> u64:
        """The entry before ``offset`` in this node, 0 if it has none from ``limit`` on."""
        tries: i32 = 0
        while mas.offset > 0 and mas.status == ACTIVE:
            tries += 1
            if tries > RETRIES_MAX:
                self.stuck("mas_prev_nentry")
            node: u64 = mas.node & ~255
            type: i32 = type_of(self, mas.node)
            offset: i32 = mas.offset - 1
            if offset >= self.slots_of[type]:
                offset = self.slots_of[type] - 1
            pivot: u64 = safe_pivot(self, node, type, offset, mas.max)
            if dead_node(self, node):
                self.mas_rewalk(mas, index)
                continue
            while offset > 0 and (
                pivot == 0 or (pivot >= limit and slot_at(self, node, type, offset) == 0)
            ):
                offset -= 1
                pivot = pivot_at(self, node, offset)
            min: u64 = safe_min(self, node, offset, mas.min)
            entry: u64 = slot_at(self, node, type, offset)
            if dead_node(self, node):
                self.mas_rewalk(mas, index)
                continue
            if entry != 0:
                mas.offset = offset
                mas.last = pivot
                mas.index = min
            return entry
        return 0

    def mas_prev_entry(self, mas: MaState, min: u64) -> u64:
        """The entry before this one that ends at or after ``min`` (inclusive), 0 for none."""
        if mas.index < min:
            mas.index = mas.last = min
            mas.status = NONE
            return 0
        nodes: i32 = 0
        while mas.status == ACTIVE:
            nodes += 1
            if nodes > NODES_MAX:
                self.stuck("mas_prev_entry")
            entry: u64 = self.mas_prev_nentry(mas, min, mas.index)
            if mas.last < min:
                mas.index = mas.last = min
                return 0
            if entry != 0:
                return entry
            if mas.status != ACTIVE:
                break
            if self.mas_prev_node(mas, min):
                self.mas_rewalk(mas, mas.index)
                continue
            mas.offset += 1
        mas.offset -= 1
        mas.index = mas.last = min
        return 0

    # What mas_next, mas_prev, mas_find and mas_find_rev are in this era.

    def _next_unbounded(self, mas: MaState, max: u64) -> u64:
        if mas.status == NONE or mas.status == PAUSE:
            mas.reset()
        if mas.status == START:
            self.mas_walk(mas)
        if mas.status == ROOT:
            if mas.index == 0:
                mas.index = 1
                mas.last = self.max_index
            return 0
        if mas.last == self.max_index or mas.status != ACTIVE:
            return 0
        return self.mas_next_entry(mas, max)

    def _prev_unbounded(self, mas: MaState, min: u64) -> u64:
        index: u64 = mas.index
        if index == 0:
            mas.last = 0
            mas.status = NONE
            return 0
        if mas.status == ROOT:
            return 0
        if mas.status == NONE or mas.status == PAUSE:
            mas.reset()
        if mas.status == START:
            self.mas_walk(mas)
            if mas.index == 0:
                return 0
        if mas.status == ROOT:
            mas.index = mas.last = 0
            entry: u64 = root_of(self, mas.tree)
            if entry & 3 == 2 and entry > 4096:
                # No entry: a writer has put nodes there since the walk.
                mas.set(index)
                return self._prev_unbounded(mas, min)
            return entry
        return self.mas_prev_entry(mas, min)

    def _find_unbounded(self, mas: MaState, max: u64) -> u64:
        if mas.status == PAUSE:
            if mas.last == self.max_index:
                mas.status = NONE
                return 0
            mas.last += 1
            mas.index = mas.last
            mas.reset()
        if mas.status == NONE:
            mas.reset()
        if mas.status == START:
            if mas.index > max:
                return 0
            entry: u64 = self.mas_walk(mas)
            if entry != 0:
                return entry
        if mas.status != ACTIVE:
            return 0
        return self.mas_next_entry(mas, max)

    def _find_rev_unbounded(self, mas: MaState, min: u64) -> u64:
        if mas.status == PAUSE:
            if mas.last == self.max_index or mas.index == 0:
                mas.status = NONE
                return 0
            mas.index -= 1
            mas.last = mas.index
            mas.reset()
        if mas.status == START:
            if mas.index < min:
                return 0
            entry: u64 = self.mas_walk(mas)
            if entry != 0:
                return entry
        if mas.status != ACTIVE or mas.index < min:
            return 0
        return self.mas_prev_entry(mas, min)
