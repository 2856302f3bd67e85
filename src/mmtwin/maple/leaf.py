"""Stores that change one leaf: the walk to it, and the ways to change it in place or anew."""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.maple.roots import Roots
from mmtwin.maple.state import MaState, WrState

if not cython.compiled:
    from mmtwin.maple.words import (
        clear_words,
        in_rcu,
        index_of,
        parent_at,
        pivot_at,
        put,
        put_meta,
        put_pivot,
        put_slot,
        read_words,
        root_node,
        safe_min,
        set_dead,
        slot_at,
        type_of,
        write_words,
    )

LEAF = declare(i32, 1)
ERROR = declare(i32, 7)
BULK = declare(i32, 1)
REBALANCE = declare(i32, 2)
HEIGHT_MAX = declare(i32, 32)


class Leaf(Roots):
    """Walks for writing; ``mas_wr_append``, ``mas_wr_slot_store``, ``mas_wr_node_store``."""

    # Walking to the place.

    def mas_is_span_wr(self, wr: WrState) -> bint:
        """The write leaves the child at ``r_min`` to ``r_max``, or would make a NULL the last
        slot of a leaf that is not the last leaf."""
        mas: MaState = wr.mas
        last: u64 = mas.last
        if wr.r_max > last:
            return False
        if wr.type == LEAF:
            if last < mas.max:
                return False
            if last == mas.max and (wr.entry != 0 or last == self.max_index):
                return False
        elif wr.r_max == last and (wr.entry != 0 or last == self.max_index):
            return False
        return True

    def _wr_descend(self, wr: WrState) -> i32:
        mas: MaState = wr.mas
        mas.max = wr.r_max
        mas.min = wr.r_min
        mas.node = wr.content
        mas.offset = 0
        mas.depth += 1
        return 0

    def mas_wr_walk(self, wr: WrState) -> bint:
        """Walk down to the leaf of ``index``; False where the store turns out to span."""
        mas: MaState = wr.mas
        level: i32 = 0
        while level < HEIGHT_MAX:
            level += 1
            wr.type = type_of(self, mas.node)
            self.mas_wr_node_walk(wr)
            if self.mas_is_span_wr(wr):
                return False
            wr.content = slot_at(self, wr.node, wr.type, mas.offset)
            if wr.type == LEAF:
                return True
            if self.by_height:
                self._note_heights(wr)
            self._wr_descend(wr)
        self.stuck("mas_wr_walk")
        return False

    def _note_heights(self, wr: WrState) -> None:
        """On which levels a change from below would stop: room to split, slots to spare."""
        level: i32 = wr.mas.depth + 1
        if wr.node_end < self.slots_of[wr.type] - 1:
            wr.vacant_height = level
        if root_node(self, wr.node):
            if wr.node_end > 2:
                wr.sufficient_height = 1
        elif wr.node_end > self.min_of[wr.type] + 1:
            wr.sufficient_height = level

    def mas_wr_walk_index(self, wr: WrState) -> None:
        """Walk down to the leaf of ``index`` whatever the store spans."""
        mas: MaState = wr.mas
        level: i32 = 0
        while level < HEIGHT_MAX:
            level += 1
            wr.type = type_of(self, mas.node)
            self.mas_wr_node_walk(wr)
            wr.content = slot_at(self, wr.node, wr.type, mas.offset)
            if wr.type == LEAF:
                return
            self._wr_descend(wr)
        self.stuck("mas_wr_walk_index")

    # Stores within a leaf.

    def mas_wr_end_piv(self, wr: WrState) -> None:
        """Find the slot of ``last``: ``offset_end``, and its upper end ``end_piv``.

        The bound comes before the pivot: cd00dd2585c4 ("maple_tree: fix potential out-of-bounds
        access in mas_wr_end_piv()").
        """
        mas: MaState = wr.mas
        while wr.offset_end < wr.node_end and mas.last > pivot_at(self, wr.node, wr.offset_end):
            wr.offset_end += 1
        if wr.offset_end < wr.node_end:
            wr.end_piv = pivot_at(self, wr.node, wr.offset_end)
        else:
            wr.end_piv = mas.max

    def mas_wr_extend_null(self, wr: WrState) -> None:
        """Widen a NULL over the NULLs that it touches, so that two never adjoin."""
        mas: MaState = wr.mas
        node: u64 = wr.node
        if mas.last < wr.end_piv and slot_at(self, node, wr.type, wr.offset_end) == 0:
            mas.last = wr.end_piv
        if (
            mas.last == wr.end_piv
            and wr.node_end != wr.offset_end
            and slot_at(self, node, wr.type, wr.offset_end + 1) == 0
        ):
            wr.offset_end += 1
            if wr.offset_end == wr.node_end:
                mas.last = mas.max
            else:
                mas.last = pivot_at(self, node, wr.offset_end)
            wr.end_piv = mas.last
        if wr.content == 0:
            mas.index = wr.r_min
        elif (
            mas.index == wr.r_min
            and mas.offset > 0
            and slot_at(self, node, wr.type, mas.offset - 1) == 0
        ):
            mas.offset -= 1
            wr.r_min = mas.index = safe_min(self, node, mas.offset, mas.min)
            wr.r_max = pivot_at(self, node, mas.offset)

    def mas_wr_append(self, wr: WrState) -> bint:
        """Cut the last slot in two in place, the entry before or behind; False if it touches
        neither edge of it. Not in RCU mode: cfeb6ae8bcb9 ("maple_tree: disable mas_wr_append()
        when other readers are possible").
        """
        mas: MaState = wr.mas
        if in_rcu(self, mas.tree):
            return False
        node: u64 = wr.node
        end: i32 = wr.node_end
        new_end: i32 = end + 1
        behind: bint = mas.index != wr.r_min and mas.last == wr.r_max
        if not behind and not (mas.index == wr.r_min and mas.last < wr.r_max):
            return False
        if new_end < self.pivots_of[wr.type]:
            put_pivot(self, node, new_end, pivot_at(self, node, end))
            put_meta(self, node, LEAF, 0, new_end)
        if behind:
            put_slot(self, node, wr.type, new_end, wr.entry)
            mas.offset = new_end
            put_pivot(self, node, end, mas.index - 1)
        else:
            put_slot(self, node, wr.type, new_end, wr.content)
            put_pivot(self, node, end, mas.last)
            put_slot(self, node, wr.type, end, wr.entry)
        return True

    def mas_wr_slot_store(self, wr: WrState) -> bint:
        """Overwrite one whole slot and the near part of its neighbour in place; False if the
        write is of another kind.

        The entry is stored before the pivot moves where the range grows to the right, and is in
        place before the pivot in front of it moves left: a reader sees the old or the new entry.
        """
        mas: MaState = wr.mas
        offset: i32 = mas.offset
        node: u64 = wr.node
        if wr.offset_end - offset != 1:
            return False
        if wr.r_min == mas.index:
            if wr.end_piv == mas.last:
                return False
            put_slot(self, node, wr.type, offset, wr.entry)
            put_pivot(self, node, offset, mas.last)
        else:
            if wr.end_piv != mas.last:
                return False
            next: i32 = offset + 1
            if next < self.pivots_of[wr.type] and (
                wr.entry != 0 or pivot_at(self, node, next) != 0
            ):
                put_pivot(self, node, next, mas.last)
            put_slot(self, node, wr.type, next, wr.entry)
            put_pivot(self, node, offset, mas.index - 1)
            mas.offset = next
        self.mas_update_gap(mas)
        return True

    def mas_bulk_rebalance(self, mas: MaState, end: i32, type: i32) -> None:
        """In a bulk load a last node with enough slots needs no rebalance at the end."""
        if (
            mas.mas_flags & BULK
            and not root_node(self, mas.node & ~255)
            and end > self.min_of[type]
        ):
            mas.mas_flags &= ~REBALANCE

    def mas_wr_node_store(self, wr: WrState) -> bint:
        """Build the leaf anew: in RCU mode as a new node, otherwise copied over the old one.

        False, with nothing changed, if the result would be too large or too small for a node, or
        if there is no memory for one (the state is in error then).
        """
        mas: MaState = wr.mas
        node: u64 = wr.node
        type: i32 = wr.type
        offset: i32 = mas.offset
        new_end: i32 = wr.node_end
        tail: i32 = wr.offset_end
        if mas.last == wr.r_max:
            if mas.last == mas.max:
                new_end = offset
            tail += 1
        elif mas.last < wr.r_max:
            if wr.r_max == self.max_index:
                self.mas_bulk_rebalance(mas, wr.node_end, type)
            new_end += 1
        else:
            if wr.end_piv == mas.last:
                tail += 1
            new_end -= tail - offset - 1
        if wr.r_min < mas.index:
            new_end += 1
        if not self.typed:
            if new_end >= self.slots_of[type]:
                return False
            if (
                new_end <= self.min_of[type]
                and not mas.mas_flags & BULK
                and not root_node(self, mas.node & ~255)
            ):
                return False
        rcu: bint = in_rcu(self, mas.tree)
        fresh: u64 = 0
        if rcu:
            self.mas_node_count(mas, 1)
            if mas.status == ERROR:
                return False
            fresh = self.mas_pop_node(mas)
        x: u64 = index_of(self, node)
        pivots: i32 = self.pivots_of[type]
        slots: i32 = self.slot_word[type]
        count: i32 = offset
        read_words(self, x, node, 1, offset, wr.pivot, 0)
        read_words(self, x, node, slots, offset, wr.slot, 0)
        if wr.r_min < mas.index:
            wr.pivot[count] = mas.index - 1
            wr.slot[count] = wr.content
            count += 1
        mas.offset = count
        wr.pivot[count] = mas.last
        wr.slot[count] = wr.entry
        count += 1
        if tail <= wr.node_end and mas.last < mas.max:
            self._leaf_room(count + wr.node_end - tail)
            more: i32 = wr.node_end + 1 - tail
            if wr.node_end < pivots:
                read_words(self, x, node, tail + 1, more, wr.pivot, count)
            else:
                read_words(self, x, node, tail + 1, more - 1, wr.pivot, count)
                wr.pivot[count + more - 1] = mas.max
            read_words(self, x, node, slots + tail, more, wr.slot, count)
            count += more
        self._commit_leaf(wr, fresh, count)
        self.mas_update_gap(mas)
        return True

    def _leaf_room(self, last: i32) -> i32:
        """A leaf's image has no slot ``last``: the tree was corrupt before."""
        if last >= self.slots_of[LEAF]:
            self.bn_room(68, "mas_wr_node_store")
        return 0

    def _write_leaf(self, mas: MaState, wr: WrState, fresh: u64, count: i32) -> i32:
        """Write the ``count`` slots in the frame to the new node ``fresh``, or over the old one
        (``wr.node``) if 0."""
        type: i32 = wr.type
        node: u64 = fresh if fresh else wr.node
        x: u64 = index_of(self, node)
        pivots: i32 = self.pivots_of[type]
        slots: i32 = self.slot_word[type]
        if fresh:
            put(self, x, node, 0, parent_at(self, wr.node))
        write_words(self, x, node, 1, count if count < pivots else pivots, wr.pivot, 0)
        write_words(self, x, node, slots, count, wr.slot, 0)
        if fresh == 0:
            clear_words(self, x, node, 1 + count, 1 + pivots)
            clear_words(self, x, node, slots + count, slots + self.slots_of[type])
        self.mas_leaf_set_meta(mas, node, type, count - 1, wr.pivot[count - 1])
        return 0

    def _commit_leaf(self, wr: WrState, fresh: u64, count: i32) -> i32:
        """Write the leaf's image, and put it in the old one's place if it is a new node."""
        mas: MaState = wr.mas
        self._write_leaf(mas, wr, fresh, count)
        if fresh:
            if self.dead_first:
                set_dead(self, mas.node)
            mas.node = fresh | (wr.type << 3) | 4
            self.mas_replace(mas, False)
        return 0
