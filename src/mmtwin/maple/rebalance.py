"""Rebuilding a piece of the tree upwards, level by level, until it is sufficient.

The data of a level lies in the big node. Each level deals it out to one, two or three nodes, goes
up on both edges of what is replaced, and gathers the parents' remaining slots around the new
nodes. Where the data of a level would be too little for a node, a neighbour is taken in.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.maple.edges import Edges
from mmtwin.maple.state import BigNode, MaState, SubtreeState

if not cython.compiled:
    from mmtwin.maple.words import (
        dead_node,
        end_at,
        height_of,
        parent_at,
        put_parent,
        root_node,
        set_dead,
        set_parent_of,
        type_of,
    )

ACTIVE = declare(i32, 0)
ERROR = declare(i32, 7)
NONE = declare(i32, 3)
HEIGHT_MAX = declare(i32, 32)


class Rebalance(Edges):
    """``mast_*``: the steps of the spanning rebalance, and the rebalance of a deficient leaf."""

    # A neighbour is taken in.

    def mast_rebalance_next(self, mast: SubtreeState) -> None:
        """Append the node that ``orig_r`` stands in."""
        type: i32 = type_of(self, mast.orig_r.node)
        self.mas_mab_cp(mast.orig_r, 0, self.slots_of[type], mast.bn, mast.bn.b_end)
        mast.orig_r.last = mast.orig_r.max

    def mast_rebalance_prev(self, mast: SubtreeState) -> None:
        """Put the node that ``orig_l`` stands in before the data."""
        count: i32 = end_at(self, mast.orig_l) + 1
        b_end: i32 = mast.bn.b_end
        self.mab_shift_right(mast.bn, count)
        self.mas_mab_cp(mast.orig_l, 0, count - 1, mast.bn, 0)
        mast.l.min = mast.orig_l.min
        mast.orig_l.index = mast.orig_l.min
        mast.bn.b_end = count + b_end
        mast.l.offset += count

    def mast_spanning_rebalance(self, mast: SubtreeState) -> bint:
        """Take in the nearest node on the right of this level, else the nearest on the left.

        Climbs until one edge has something beside it. False if the tree has nothing more; the
        edges are then where they were.
        """
        left: MaState = mast.orig_l
        right: MaState = mast.orig_r
        mast.tmp_r.copy_from(right)
        mast.tmp_l.copy_from(left)
        ancestor: u64 = 0
        start: i32 = 0
        end: i32 = 0
        depth: i32 = 0
        while True:
            self.mas_ascend(right)
            self.mas_ascend(left)
            depth += 1
            if depth > HEIGHT_MAX:
                self.stuck("mast_spanning_rebalance")
            if ancestor == 0 and right.node == left.node:
                ancestor = right.node
                end = right.offset - 1
                start = left.offset + 1
            if right.offset < end_at(self, right):
                if ancestor == 0:
                    ancestor = right.node
                    start = 0
                right.offset += 1
                while depth > 0:
                    depth -= 1
                    self.mas_descend(right)
                    right.offset = 0
                self.mast_rebalance_next(mast)
                if self.dead_first:
                    self._drop_right_path(mast, ancestor, start)
                left.copy_from(mast.tmp_l)
                return True
            if left.offset != 0:
                if ancestor == 0:
                    ancestor = left.node
                    end = end_at(self, left)
                left.offset -= 1
                while depth > 0:
                    depth -= 1
                    self.mas_descend(left)
                    left.offset = end_at(self, left)
                self.mast_rebalance_prev(mast)
                if self.dead_first:
                    self._drop_left_path(mast, ancestor, end)
                right.copy_from(mast.tmp_r)
                return True
            if root_node(self, right.node & ~255):
                break
        right.copy_from(mast.tmp_r)
        left.copy_from(mast.tmp_l)
        return False

    # One level.

    def mast_set_split_parents(self, mast: SubtreeState) -> None:
        """Tell the nodes made one level below which of this level's nodes is their parent."""
        if mast.l.status == NONE:
            return
        slot: i32 = mast.l.offset
        slot = self._hand_to(mast, mast.l, slot)
        slot = self._hand_to(mast, mast.m, slot)
        self._hand_to(mast, mast.r, slot)

    def _hand_to(self, mast: SubtreeState, child: MaState, slot: i32) -> i32:
        if child.status == NONE:
            return slot
        left: u64 = mast.left
        right: u64 = mast.middle if mast.middle else mast.right
        split: i32 = mast.split
        if mast.middle and slot >= mast.mid_split:
            left = mast.middle
            right = mast.right
            split = mast.mid_split
        if slot <= split:
            first: i32 = mast.split + 1 if left == mast.middle and mast.middle else 0
            set_parent_of(self, child.node, left, slot - first)
        elif right:
            set_parent_of(self, child.node, right, slot - split - 1)
        return slot + 1

    def mast_cp_to_nodes(self, mast: SubtreeState) -> None:
        """Deal the big node's data out to the new nodes of this level."""
        bn: BigNode = mast.bn
        split: i32 = mast.split
        mast.l.node = mast.left
        mast.m.node = mast.middle
        mast.r.node = mast.right
        mast.l.status = ACTIVE
        mast.m.status = ACTIVE if mast.middle else NONE
        mast.r.status = ACTIVE if mast.right else NONE
        mast.l.min = mast.orig_l.min
        whole: bint = split == bn.b_end
        if whole:
            mast.l.max = mast.orig_r.max
        self.mab_mas_cp(bn, 0, split, mast.l, not whole)
        if mast.middle:
            self.mab_mas_cp(bn, 1 + split, mast.mid_split, mast.m, True)
            mast.m.min = bn.pivot[split] + 1
            split = mast.mid_split
        mast.r.max = mast.orig_r.max
        if mast.right:
            self.mab_mas_cp(bn, 1 + split, bn.b_end, mast.r, False)
            mast.r.min = bn.pivot[split] + 1

    def mast_combine_cp_left(self, mast: SubtreeState) -> i32:
        """The slots of the left parent before what is replaced."""
        if mast.orig_l.offset > 0:
            self.mas_mab_cp(mast.orig_l, 0, mast.orig_l.offset - 1, mast.bn, 0)
        return 0

    def mast_combine_cp_right(self, mast: SubtreeState) -> i32:
        """The slots of the right parent after what is replaced."""
        bn: BigNode = mast.bn
        if bn.pivot[bn.b_end - 1] >= mast.orig_r.max:
            return 0
        type: i32 = type_of(self, mast.orig_r.node)
        self.mas_mab_cp(mast.orig_r, mast.orig_r.offset + 1, self.slots_of[type], bn, bn.b_end)
        mast.orig_r.last = mast.orig_r.max
        return 0

    def mast_sufficient(self, mast: SubtreeState) -> bint:
        """The gathered data is enough for a node."""
        return mast.bn.b_end > self.min_of[type_of(self, mast.orig_l.node)]

    def mast_overflow(self, mast: SubtreeState) -> bint:
        """The gathered data is more than one node holds."""
        return mast.bn.b_end > self.slots_of[type_of(self, mast.orig_l.node)]

    def mast_is_whole_tree(self, mast: SubtreeState) -> bint:
        """The two edges enclose everything there is, so there is no neighbour to take in.

        Both edges must be looked at: 0abb964aae3d ("maple_tree: fix mas_spanning_rebalance() on
        insufficient data").
        """
        return mast.orig_l.min == 0 and mast.orig_r.max == self.max_index

    def mast_new_root(self, mast: SubtreeState, mas: MaState) -> None:
        """The left node holds the whole tree: make it the root, retire the levels above."""
        put_parent(self, mast.l.node & ~255, mas.tree | 1)
        levels: i32 = 0
        node: u64 = mast.orig_l.node & ~255
        if dead_node(self, node):
            return
        while not root_node(self, mast.orig_l.node & ~255):
            levels += 1
            if levels > HEIGHT_MAX:
                self.stuck("mast_new_root")
            self.mast_ascend_free(mast)
            self.mast_topiary(mast)

    def mas_spanning_rebalance(self, mas: MaState, mast: SubtreeState, count: i32) -> None:
        """Build the tree anew from the big node's data upwards, at most ``count`` levels (more
        when a neighbour is taken in at the last), and put it in place.

        ``mas`` ends on the slot of its ``index``.
        """
        bn: BigNode = mast.bn
        left: MaState = mast.l
        mast.l.status = mast.m.status = mast.r.status = NONE
        mast.l.tree = mast.m.tree = mast.r.tree = mas.tree
        mast.l.offset = mast.m.offset = mast.r.offset = 0
        mast.l.min = mast.m.min = mast.r.min = 0
        mast.l.max = mast.m.max = mast.r.max = self.max_index
        if bn.b_end <= self.min_of[bn.type] and not self.mast_is_whole_tree(mast):
            self.mast_spanning_rebalance(mast)
        levels: i32 = self._levels(mas, mast, count)
        if levels < 0:
            levels = -levels
        else:
            levels += 1
            self._top(mas, mast)
        if left.min == 0 and left.max == self.max_index:
            self.mast_new_root(mast, mas)
        else:
            put_parent(self, left.node & ~255, parent_at(self, mast.orig_l.node & ~255))
        old: u64 = mast.orig_l.node
        if self.dead_first:
            if not dead_node(self, old & ~255):
                self.mat_add(mast, old)
            set_dead(self, mas.node)
        mas.node = left.node
        mas.status = ACTIVE
        mas.min = left.min
        mas.max = left.max
        mas.offset = 0
        self.mas_wmb_replace(mas, old, mast, levels)
        self.mtree_range_walk(mas)

    def _levels(self, mas: MaState, mast: SubtreeState, count: i32) -> i32:
        """Make the nodes of each level from the big node, until one level has enough: how many
        levels. Negative if the last one is a single node that has the whole tree; else what goes
        to the node above is in the big node."""
        bn: BigNode = mast.bn
        left: MaState = mast.l
        levels: i32 = 0
        while count > 0:
            count -= 1
            bn.b_end -= 1
            bn.type = type_of(self, mast.orig_l.node)
            self.mas_mab_to_node(mas, mast)
            self.mast_set_split_parents(mast)
            self.mast_cp_to_nodes(mast)
            type: i32 = bn.type
            bn.clear()
            bn.type = type
            levels += 1
            if levels > HEIGHT_MAX:
                self.stuck("mas_spanning_rebalance")
            if left.min == 0 and left.max == self.max_index:
                return -levels
            self._combine(mast)
            if self.mast_sufficient(mast):
                if (
                    self.converges
                    and mast.orig_l.node == mast.orig_r.node
                    and not self.mast_overflow(mast)
                ):
                    break
                continue
            if mast.orig_l.min == 0 and mast.orig_l.max == self.max_index:
                break
            self.mast_spanning_rebalance(mast)
            if count == 0:
                count = 1
        return levels

    def _combine(self, mast: SubtreeState) -> None:
        """Lay out the next level in the big node: what is on the left of the edges, the new nodes,
        and what is on the right."""
        bn: BigNode = mast.bn
        self.mast_ascend_free(mast)
        self.mast_combine_cp_left(mast)
        mast.l.offset = bn.b_end
        self.mab_set_b_end(bn, mast.l, mast.left)
        self.mab_set_b_end(bn, mast.m, mast.middle)
        self.mab_set_b_end(bn, mast.r, mast.right)
        self.mast_combine_cp_right(mast)
        self.mast_topiary(mast)
        mast.orig_l.last = mast.orig_l.max

    def _top(self, mas: MaState, mast: SubtreeState) -> None:
        """Make the topmost node from the big node; ``l`` is then at it."""
        bn: BigNode = mast.bn
        left: MaState = mast.l
        top: u64 = self.mas_pop_node(mas)
        kind: i32 = type_of(self, mast.orig_l.node)
        left.node = top | (kind << 3) | 4
        self.mab_mas_cp(bn, 0, self.slots_of[bn.type] - 1, left, True)
        # Right from the start: once the top is in the tree readers step up from here.
        slot: i32 = left.offset
        set_parent_of(self, mast.left, left.node, slot)
        if mast.middle:
            slot += 1
            set_parent_of(self, mast.middle, left.node, slot)
        if mast.right:
            slot += 1
            set_parent_of(self, mast.right, left.node, slot)

    def mas_rebalance(self, mas: MaState, mast: SubtreeState) -> None:
        """The leaf's data in the big node is too little: join it with a sibling, the right one if
        there is one, and rebuild upwards.

        In: ``bn.b_end`` is the last slot's index. On -ENOMEM nothing has changed.
        """
        bn: BigNode = mast.bn
        bn.b_end += 1
        b_end: i32 = bn.b_end
        height: i32 = height_of(self, mas.tree)
        if not self.typed:
            self.mas_node_count(mas, 1 + 3 * height)
            if mas.status == ERROR:
                return
        bn.type = type_of(self, mas.node)
        left: MaState = mast.orig_l
        right: MaState = mast.orig_r
        left.copy_from(mas)
        right.copy_from(mas)
        if self.mas_next_sibling(right):
            self.mas_mab_cp(right, 0, self.slots_of[bn.type], bn, b_end)
            right.last = right.index = right.max
        else:
            self.mas_prev_sibling(left)
            shift: i32 = end_at(self, left) + 1
            self.mab_shift_right(bn, shift)
            mas.offset += shift
            self.mas_mab_cp(left, 0, shift - 1, bn, 0)
            bn.b_end = shift + b_end
            left.index = left.last = left.min
        self.mas_spanning_rebalance(mas, mast, height)
