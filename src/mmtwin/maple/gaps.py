"""Gaps: the longest run of NULL below each slot, kept in the inner nodes of allocation trees.

A leaf stores no gaps, they are read off its pivots. ``meta.gap`` names the slot with the largest
gap of a node; among equals it depends on the history, so an update must follow these very steps.
"""

from __future__ import annotations

import cython
from cython import declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.maple.iterate import Iterate
from mmtwin.maple.state import MaState

if not cython.compiled:
    from mmtwin.maple.words import (
        end_of,
        gap_at,
        has_gaps,
        index_of,
        leaf_gap,
        meta_end_at,
        meta_gap_at,
        parent_of,
        parent_slot_of,
        put_gap,
        put_meta,
        root_node,
        type_of,
        word,
    )

HEIGHT_MAX = declare(i32, 32)


class Gaps(Iterate):
    """Computes gaps and carries a change upwards."""

    def mas_leaf_max_gap(self, mas: MaState) -> u64:
        """The longest run of NULL in the state's leaf, in indexes.

        After a NULL the next slot is passed over: two NULLs never adjoin. Only the last leaf of a
        tree may end in one.
        """
        node: u64 = mas.node & ~255
        x: u64 = index_of(self, node)
        type: i32 = type_of(self, mas.node)
        end: i32 = end_of(self, x, node, type, mas.max)
        slots: i32 = self.slot_word[type]
        widest: u64 = 0
        at: i32 = 1
        size: u64
        if word(self, x, node, slots) == 0:
            widest = word(self, x, node, 1) - mas.min + 1
            at = 2
        if mas.max == self.max_index and end > 0 and word(self, x, node, slots + end) == 0:
            size = self.max_index - word(self, x, node, end)
            if size > widest:
                widest = size
        return leaf_gap(self, x, node, slots, end, widest, at)

    def mas_max_gap(self, mas: MaState) -> u64:
        """The largest gap at or below the state's node."""
        type: i32 = type_of(self, mas.node)
        if type < 2:
            return self.mas_leaf_max_gap(mas)
        node: u64 = mas.node & ~255
        offset: i32 = meta_gap_at(self, node)
        if offset == self.gap_none and self.gap_none != 0:
            return 0
        return gap_at(self, node, offset)

    def mas_parent_gap(self, mas: MaState, offset: i32, new: u64) -> None:
        """Make ``gap[offset]`` of the parent ``new``, and go on up while the largest changes."""
        node: u64 = parent_of(self, mas.node)
        type: i32 = 3
        level: i32 = 0
        while level < HEIGHT_MAX:
            level += 1
            widest_at: i32 = meta_gap_at(self, node)
            widest: u64 = 0
            if widest_at != self.gap_none or self.gap_none == 0:
                widest = gap_at(self, node, widest_at)
            put_gap(self, node, offset, new)
            if widest == new:
                return
            end: i32 = meta_end_at(self, node, type)
            if offset != widest_at:
                if widest > new:
                    return
                put_meta(self, node, type, offset, end)
            elif new < widest:
                new = 0
                widest_at = end
                x: u64 = index_of(self, node)
                at: i32 = end
                while at >= 0:
                    gap: u64 = word(self, x, node, self.gap_word + at)
                    if gap > new:
                        new = gap
                        widest_at = at
                    at -= 1
                put_meta(self, node, type, widest_at, end)
            if root_node(self, node):
                return
            offset = parent_slot_of(self, node)
            node = parent_of(self, node)
        self.stuck("mas_parent_gap")

    def mas_update_gap(self, mas: MaState) -> None:
        """Bring the ancestors' gaps up to date after a change in the state's node."""
        if not has_gaps(self, mas.tree) or root_node(self, mas.node & ~255):
            return
        widest: u64 = self.mas_max_gap(mas)
        slot: i32 = parent_slot_of(self, mas.node)
        if gap_at(self, parent_of(self, mas.node), slot) != widest:
            self.mas_parent_gap(mas, slot, widest)
