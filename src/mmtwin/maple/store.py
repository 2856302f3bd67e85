"""One store, as 6.1 to 6.11 carry it out: the first way that fits its place.

The ways, cheapest first: a direct root, a new root, one slot, an append, a slot and its
neighbour's edge, the leaf rebuilt in place or as a new node, a rebalance, a split, or, where the
store leaves the leaf, the spanning store.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.maple.leaf import Leaf
from mmtwin.maple.state import BigNode, MaState, SubtreeState, WrState

if not cython.compiled:
    from mmtwin.maple.words import (
        height_of,
        in_rcu,
        parent_at,
        put_parent,
        put_pivot,
        put_slot,
        root_node,
        safe_min,
        safe_pivot,
        slot_at,
        type_of,
    )

ACTIVE = declare(i32, 0)
ERROR = declare(i32, 7)
START = declare(i32, 1)
ROOT = declare(i32, 2)
NONE = declare(i32, 3)


class Store(Leaf):
    """The spanning store, the big node, and the ladder."""

    # The spanning store.

    def mas_extend_spanning_null(self, l_wr: WrState, r_wr: WrState) -> None:
        """Widen a NULL over the NULLs that it touches on either side."""
        left: MaState = l_wr.mas
        right: MaState = r_wr.mas
        slot: i32 = left.offset
        if l_wr.content == 0:
            left.index = l_wr.r_min
        if (
            left.index == l_wr.r_min
            and slot > 0
            and slot_at(self, l_wr.node, l_wr.type, slot - 1) == 0
        ):
            left.index = safe_min(self, l_wr.node, slot - 1, left.min)
            left.offset = slot - 1
        if r_wr.content == 0:
            if right.last < r_wr.r_max:
                right.last = r_wr.r_max
            right.offset += 1
        elif (
            right.last == r_wr.r_max
            and right.last < right.max
            and slot_at(self, r_wr.node, r_wr.type, right.offset + 1) == 0
        ):
            right.last = safe_pivot(self, r_wr.node, r_wr.type, right.offset + 1, right.max)
            right.offset += 1

    def mas_wr_spanning_store(self, wr: WrState) -> None:
        """A store over more than one leaf: join what remains on the left of it, the entry, and
        what remains on the right, and rebuild upwards.

        The right side is walked to the slot after the store, so that a NULL there is seen. If the
        store ends where the tree below the spanning node ends there is nothing on the right:
        bea07fd63192 ("maple_tree: correct tree corruption on spanning store").
        """
        mas: MaState = wr.mas
        mast: SubtreeState = wr.mast
        if mas.index == 0 and mas.last == self.max_index:
            self.mas_new_root(mas, wr.entry)
            return
        height: i32 = height_of(self, mas.tree)
        if not self.typed:
            self.mas_node_count(mas, 1 + height * 3)
            if mas.status == ERROR:
                return
        l_wr: WrState = mast.l_wr
        r_wr: WrState = mast.r_wr
        left: MaState = mast.orig_l
        right: MaState = mast.orig_r
        l_wr.mas = left
        r_wr.mas = right
        l_wr.entry = r_wr.entry = wr.entry
        right.copy_from(mas)
        if right.last < self.max_index:
            right.last += 1
        right.index = right.last
        self.mas_wr_walk_index(r_wr)
        right.last = right.index = mas.last
        left.copy_from(mas)
        self.mas_wr_walk_index(l_wr)
        wr.content = l_wr.content
        if wr.entry == 0:
            self.mas_extend_spanning_null(l_wr, r_wr)
            mas.offset = left.offset
            mas.index = left.index
            mas.last = left.last = right.last
        if left.index == 0 and right.last == self.max_index:
            mas.index = 0
            mas.last = self.max_index
            mas.min = 0
            self.mas_new_root(mas, wr.entry)
            return
        bn: BigNode = mast.bn
        bn.clear()
        self.mas_store_b_node(l_wr, l_wr.node_end)
        if right.max > right.last:
            self.mas_mab_cp(right, right.offset, r_wr.node_end, bn, bn.b_end + 1)
        else:
            bn.b_end += 1
        left.index = left.last = mas.index
        self.mas_spanning_rebalance(mas, mast, height + 1)

    # Through the big node.

    def mas_store_b_node(self, wr: WrState, offset_end: i32) -> None:
        """Lay the leaf with the store in it out in the big node; ``b_end`` is the last slot.

        Slots behind ``offset_end`` follow the entry, unless it reaches the node's end.
        """
        mas: MaState = wr.mas
        bn: BigNode = wr.mast.bn
        bn.type = wr.type
        slot: i32 = mas.offset
        end: i32 = 0
        if slot > 0:
            self.mas_mab_cp(mas, 0, slot - 1, bn, 0)
            end = bn.b_end
        first: u64 = bn.pivot[end - 1] + 1 if slot > 0 else mas.min
        if first < mas.index:
            bn.put(end, wr.content, mas.index - 1)
            end += 1
        mas.offset = end
        bn.put(end, wr.entry, mas.last)
        bn.b_end = end
        if mas.last >= mas.max:
            return
        pivot: u64 = safe_pivot(self, wr.node, wr.type, offset_end, mas.max)
        if pivot == 0 and offset_end > 0:
            pivot = mas.max
        if pivot > mas.last:
            if pivot == self.max_index:
                self.mas_bulk_rebalance(mas, bn.b_end, wr.type)
            end += 1
            tail: u64 = wr.content
            if offset_end != slot:
                tail = slot_at(self, wr.node, wr.type, offset_end)
            bn.put(end, tail, pivot)
        bn.b_end = end
        if offset_end + 1 > wr.node_end:
            return
        self.mas_mab_cp(mas, offset_end + 1, wr.node_end + 1, bn, end + 1)
        bn.b_end -= 1

    def mas_reuse_node(self, wr: WrState, end: i32) -> bint:
        """Write the big node over the leaf itself; not in RCU mode."""
        mas: MaState = wr.mas
        bn: BigNode = wr.mast.bn
        if in_rcu(self, mas.tree):
            return False
        if end > bn.b_end:
            i: i32
            for i in range(bn.b_end, self.slots_of[wr.type]):
                put_slot(self, wr.node, wr.type, i, 0)
                if i < self.pivots_of[wr.type]:
                    put_pivot(self, wr.node, i, 0)
        self.mab_mas_cp(bn, 0, bn.b_end, mas, False)
        return True

    def mas_commit_b_node(self, wr: WrState, end: i32) -> None:
        """Decide by size what becomes of the big node: rebalance, split, or one node."""
        mas: MaState = wr.mas
        bn: BigNode = wr.mast.bn
        if (
            bn.b_end < self.min_of[bn.type]
            and not root_node(self, mas.node & ~255)
            and height_of(self, mas.tree) > 1
        ):
            self.mas_rebalance(mas, wr.mast)
            return
        if bn.b_end >= self.slots_of[bn.type]:
            self.mas_split(mas, wr.mast)
            return
        if not self.mas_reuse_node(wr, end):
            self.mas_node_count(mas, 1)
            if mas.status == ERROR:
                return
            node: u64 = self.mas_pop_node(mas)
            put_parent(self, node, parent_at(self, mas.node & ~255))
            mas.node = node | (bn.type << 3) | 4
            self.mab_mas_cp(bn, 0, bn.b_end, mas, False)
            self.mas_replace(mas, False)
        self.mas_update_gap(mas)

    def mas_wr_bnode(self, wr: WrState) -> None:
        """The way for everything that needs more than the leaf."""
        wr.mast.bn.clear()
        self.mas_store_b_node(wr, wr.offset_end)
        self.mas_commit_b_node(wr, wr.node_end)

    # The ladder.

    def mas_wr_modify(self, wr: WrState) -> None:
        """Change the leaf by the first way that fits."""
        mas: MaState = wr.mas
        if wr.r_min == mas.index and wr.r_max == mas.last:
            put_slot(self, wr.node, wr.type, mas.offset, wr.entry)
            if (wr.entry != 0) != (wr.content != 0):
                self.mas_update_gap(mas)
            return
        slots: i32 = self.slots_of[wr.type]
        size: i32 = wr.node_end - wr.offset_end + mas.offset + 2
        if mas.max == self.max_index:
            size += 1
        if size < slots:
            if (
                wr.entry != 0
                and wr.node_end < slots - 1
                and mas.offset == wr.node_end
                and self.mas_wr_append(wr)
            ):
                if wr.content == 0:
                    self.mas_update_gap(mas)
                return
            if wr.offset_end - mas.offset <= 1 and self.mas_wr_slot_store(wr):
                return
            if self.mas_wr_node_store(wr) or mas.status == ERROR:
                return
        self.mas_wr_bnode(wr)

    def mas_wr_store_ladder(self, wr: WrState) -> None:
        """Store as up to 6.11: walk, and take the first way that fits, asking for nodes there.

        On -ENOMEM the state is in error and the tree is as before.
        """
        mas: MaState = wr.mas
        wr.content = self.mas_start(mas)
        if mas.status == NONE or mas.status == ROOT:
            self.mas_store_root(mas, wr.entry)
            return
        if not self.mas_wr_walk(wr):
            self.mas_wr_spanning_store(wr)
            return
        self.mas_wr_end_piv(wr)
        if wr.entry == 0:
            self.mas_wr_extend_null(wr)
        if mas.index == 0 and mas.last == self.max_index:
            self.mas_new_root(mas, wr.entry)
            return
        self.mas_wr_modify(wr)

    def mas_wr_store_setup(self, wr: WrState) -> None:
        """Keep the state's position only if the store stays in its node."""
        mas: MaState = wr.mas
        if mas.status == START or self.typed:
            return
        if mas.status != ACTIVE:
            mas.reset()
            return
        wr.r_max = mas.max
        wr.type = type_of(self, mas.node)
        if mas.index < mas.min or self.mas_is_span_wr(wr):
            mas.reset()
