"""Splitting a node that overflows, and so on up while the parents overflow too.

Before a node is cut in two its data is offered to a sibling with room: pushing left or right
replaces two children by two, so the parent cannot overflow and the split ends there.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.maple.rebalance import Rebalance
from mmtwin.maple.state import BigNode, MaState, SubtreeState

if not cython.compiled:
    from mmtwin.maple.words import (
        end_at,
        height_of,
        inner_type_of,
        parent_at,
        parent_slot_of,
        put_parent,
        put_pivot,
        root_node,
        set_parent_of,
        type_of,
    )

ERROR = declare(i32, 7)
NONE = declare(i32, 3)
LEAF = declare(i32, 1)


class Split(Rebalance):
    """``mas_split`` and its steps. ``orig_l`` and ``orig_r`` are the two nodes made one level
    below, whose parent words must follow them."""

    def mast_split_data(self, mast: SubtreeState, mas: MaState, split: i32) -> None:
        """Write the slots up to ``split`` to the left node, the others to the right one."""
        bn: BigNode = mast.bn
        self.mab_mas_cp(bn, 0, split, mast.l, True)
        put_pivot(self, mast.r.node & ~255, 0, mast.r.max)
        self.mab_mas_cp(bn, split + 1, bn.b_end, mast.r, False)
        mast.l.offset = parent_slot_of(self, mas.node)
        mast.l.max = bn.pivot[split]
        mast.r.min = mast.l.max + 1
        if type_of(self, mas.node) == LEAF:
            return
        slot: i32 = mast.orig_l.offset
        mast.left = mast.l.node
        mast.middle = 0
        mast.right = mast.r.node
        mast.split = split
        mast.mid_split = 0
        slot = self._hand_to(mast, mast.orig_l, slot)
        self._hand_to(mast, mast.orig_r, slot)

    def mast_fill_bnode(self, mast: SubtreeState, mas: MaState, skip: i32) -> None:
        """Go up and gather the parent's slots around the two new nodes.

        ``skip`` is how many of the parent's slots they replace. Above the root there is nothing:
        the two new nodes are all.
        """
        bn: BigNode = mast.bn
        old: u64 = mas.node
        bn.clear()
        inside: bint = not root_node(self, old & ~255)
        if inside:
            self.mas_ascend(mas)
            if self.dead_first:
                self.mat_add(mast, old)
            mas.offset = parent_slot_of(self, mas.node)
            if mast.l.offset > 0:
                self.mas_mab_cp(mas, 0, mast.l.offset - 1, bn, 0)
        before: i32 = bn.b_end
        self.mab_set_b_end(bn, mast.l, mast.l.node)
        mast.r.offset = bn.b_end
        self.mab_set_b_end(bn, mast.r, mast.r.node)
        if inside and bn.pivot[bn.b_end - 1] != mas.max:
            type: i32 = type_of(self, mas.node)
            self.mas_mab_cp(mas, before + skip, self.slots_of[type] - 1, bn, bn.b_end)
        bn.b_end -= 1
        bn.type = type_of(self, mas.node)

    def mas_split_final_node(self, mast: SubtreeState, mas: MaState) -> None:
        """Write the level that fits into one node; at the top it is the new root."""
        bn: BigNode = mast.bn
        if root_node(self, mas.node & ~255):
            bn.type = inner_type_of(self, mas.tree)
        ancestor: u64 = self.mas_new_ma_node(mas, bn)
        set_parent_of(self, mast.l.node, ancestor, mast.l.offset)
        set_parent_of(self, mast.r.node, ancestor, mast.r.offset)
        put_parent(self, ancestor & ~255, parent_at(self, mas.node & ~255))
        mast.l.node = ancestor
        self.mab_mas_cp(bn, 0, self.slots_of[bn.type] - 1, mast.l, True)
        mas.offset = bn.b_end - 1

    def mas_push_data(self, mas: MaState, mast: SubtreeState, left: bint) -> bint:
        """Share the data with the left (or right) sibling and end the split; False if it has no
        room for that.

        The sibling's side keeps one slot free. ``mas`` moves to the left of the two nodes.
        """
        bn: BigNode = mast.bn
        sibling: MaState = mast.spare
        sibling.copy_from(mas)
        sibling.depth = mast.l.depth
        if left:
            if not self.mas_prev_sibling(sibling):
                return False
        elif not self.mas_next_sibling(sibling):
            return False
        end: i32 = end_at(self, sibling)
        total: i32 = bn.b_end + end
        space: i32 = 2 * self.slots_of[type_of(self, mas.node)] - 2
        if bn.type == LEAF:
            space -= 1
        if mas.max == self.max_index:
            space -= 1
        if total >= space:
            return False
        bn.b_end += 1
        split: i32 = self.slots_of[bn.type] - 2
        if left:
            self.mab_shift_right(bn, end + 1)
            self.mas_mab_cp(sibling, 0, end, bn, 0)
            bn.b_end = total + 1
            if self.dead_first:
                self.mat_add(mast, mas.node)
            mas.copy_from(sibling)
            sibling.node = mast.l.node
            mast.l.copy_from(sibling)
        else:
            self.mas_mab_cp(sibling, 0, end, bn, bn.b_end)
            if self.dead_first:
                self.mat_add(mast, sibling.node)
            sibling.node = mast.r.node
            mast.r.copy_from(sibling)
            split = total - split
        split = self.mab_no_null_split(bn, split, self.slots_of[bn.type])
        if left:
            mast.orig_l.offset += end + 1
        self.mast_split_data(mast, mas, split)
        self.mast_fill_bnode(mast, mas, 2)
        self.mas_split_final_node(mast, mas)
        return True

    def mas_split(self, mas: MaState, mast: SubtreeState) -> None:
        """The big node's data is too much for the state's leaf: split upwards.

        In: ``bn.b_end`` is the last slot's index. All nodes that may be needed are had before
        anything is touched, so on -ENOMEM nothing has changed.
        """
        bn: BigNode = mast.bn
        levels: i32 = height_of(self, mas.tree)
        if not self.typed:
            self.mas_node_count(mas, 1 + 2 * levels)
            if mas.status == ERROR:
                return
        mast.orig_l.status = mast.orig_r.status = NONE
        mast.orig_l.offset = mast.orig_r.offset = 0
        height: i32 = 0
        while height <= levels:
            height += 1
            if self.slots_of[bn.type] > bn.b_end:
                self.mas_split_final_node(mast, mas)
                break
            mast.l.copy_from(mas)
            mast.r.copy_from(mas)
            mast.l.node = self.mas_new_ma_node(mas, bn)
            mast.r.node = self.mas_new_ma_node(mas, bn)
            if self.mas_push_data(mas, mast, True) or self.mas_push_data(mas, mast, False):
                height += 1
                break
            split: i32 = self.mab_calc_split(mas, mast)
            self.mast_split_data(mast, mas, split)
            mast.r.max = mas.max
            self.mast_fill_bnode(mast, mas, 1)
            mast.orig_l.copy_from(mast.l)
            mast.orig_r.copy_from(mast.r)
        old: u64 = mas.node
        if self.dead_first:
            self.mat_add(mast, old)
        mas.node = mast.l.node
        self.mas_wmb_replace(mas, old, mast, height)
        self.mtree_range_walk(mas)
