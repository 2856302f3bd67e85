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
    from mmtwin.maple.words import end_of, index_of, word

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
        type: i32 = self.node_type(mas.node)
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
        while at < end:
            if word(self, x, node, slots + at) == 0:
                size = word(self, x, node, at + 1) - word(self, x, node, at)
                if size > widest:
                    widest = size
                at += 1
            at += 1
        return widest

    def mas_max_gap(self, mas: MaState) -> u64:
        """The largest gap at or below the state's node."""
        type: i32 = self.node_type(mas.node)
        if type < 2:
            return self.mas_leaf_max_gap(mas)
        node: u64 = mas.node & ~255
        offset: i32 = self.meta_gap(node)
        if offset == self.gap_none and self.gap_none != 0:
            return 0
        return self.gap(node, offset)

    def mas_parent_gap(self, mas: MaState, offset: i32, new: u64) -> None:
        """Make ``gap[offset]`` of the parent ``new``, and go on up while the largest changes."""
        node: u64 = self.mte_parent(mas.node)
        type: i32 = 3
        level: i32 = 0
        while level < HEIGHT_MAX:
            level += 1
            widest_at: i32 = self.meta_gap(node)
            widest: u64 = 0
            if widest_at != self.gap_none or self.gap_none == 0:
                widest = self.gap(node, widest_at)
            self.set_gap(node, offset, new)
            if widest == new:
                return
            end: i32 = self.meta_end(node, type)
            if offset != widest_at:
                if widest > new:
                    return
                self.ma_set_meta(node, type, offset, end)
            elif new < widest:
                new = 0
                widest_at = end
                at: i32 = end
                while at >= 0:
                    if self.gap(node, at) > new:
                        new = self.gap(node, at)
                        widest_at = at
                    at -= 1
                self.ma_set_meta(node, type, widest_at, end)
            if self.ma_is_root(node):
                return
            offset = self.mte_parent_slot(node)
            node = self.mte_parent(node)
        self.stuck("mas_parent_gap")

    def mas_update_gap(self, mas: MaState) -> None:
        """Bring the ancestors' gaps up to date after a change in the state's node."""
        if not self.mt_is_alloc(mas.tree) or self.ma_is_root(mas.node & ~255):
            return
        widest: u64 = self.mas_max_gap(mas)
        slot: i32 = self.mte_parent_slot(mas.node)
        if self.gap(self.mte_parent(mas.node), slot) != widest:
            self.mas_parent_gap(mas, slot, widest)
