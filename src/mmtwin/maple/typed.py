"""The store of 6.12 and later: decide its kind first, get exactly the nodes it needs, then write.

The kinds and what they ask for (``h`` is the tree's height)::

    exact fit, append, slot store   0
    node store                      1 in RCU mode, else 0
    store root                      1; 0 for index 0 alone
    new root                        1
    split                           2 h + 1        from 6.16: 2 (h - v) + 1
    rebalance                       2 h - 1                   2 (h - x) + 1
    spanning store                  3 h + 1                   3 (h - x) + 1

From 6.16 ``v`` is the vacant height: the number of levels above which a split cannot go, because a
node there has room; ``x`` is the sufficient height if smaller: above it no node gets too small.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelWarning
from mmtwin.maple.search import Search
from mmtwin.maple.state import MaState, WrState

if not cython.compiled:
    from mmtwin.maple.words import (
        height_of,
        in_rcu,
        pivot_at,
        put_meta,
        put_pivot,
        put_slot,
        root_node,
        slot_at,
        type_of,
    )

WR_INVALID = 0
WR_NEW_ROOT = 1
WR_STORE_ROOT = 2
WR_EXACT_FIT = 3
WR_SPANNING_STORE = 4
WR_SPLIT_STORE = 5
WR_REBALANCE = 6
WR_APPEND = 7
WR_NODE_STORE = 8
WR_SLOT_STORE = 9

STORE_TYPE_NAMES = (
    "invalid store type",
    "new_root",
    "store_root",
    "exact_fit",
    "spanning_store",
    "split_store",
    "rebalance",
    "append",
    "node_store",
    "slot_store",
)
"""Names of ``MaState.store_type``, in the order of the kernel's ``enum store_type``."""

ACTIVE = declare(i32, 0)
ERROR = declare(i32, 7)
START = declare(i32, 1)
ROOT = declare(i32, 2)
NONE = declare(i32, 3)
LEAF = declare(i32, 1)
BULK = declare(i32, 1)
NEW_ROOT = declare(i32, 1)
STORE_ROOT = declare(i32, 2)
EXACT_FIT = declare(i32, 3)
SPANNING_STORE = declare(i32, 4)
SPLIT_STORE = declare(i32, 5)
REBALANCE = declare(i32, 6)
APPEND = declare(i32, 7)
NODE_STORE = declare(i32, 8)
SLOT_STORE = declare(i32, 9)


class Typed(Search):
    """``mas_wr_store_type`` and the stores by type."""

    def mas_wr_prealloc_setup(self, wr: WrState) -> None:
        """Keep the state's position only if the store stays in its node, then start."""
        mas: MaState = wr.mas
        if mas.status != START:
            leaf_null: bint = False
            if mas.status == ACTIVE and wr.entry == 0 and mas.last == mas.max:
                leaf_null = type_of(self, mas.node) == LEAF
            inside: bint = mas.last <= mas.max and mas.index >= mas.min
            if mas.status != ACTIVE or leaf_null or not inside:
                mas.reset()
        wr.content = self.mas_start(mas)

    def mas_wr_new_end(self, wr: WrState) -> i32:
        """The last slot that the leaf will have after the store."""
        mas: MaState = wr.mas
        new_end: i32 = wr.node_end + 2 - (wr.offset_end - mas.offset)
        if wr.r_min == mas.index:
            new_end -= 1
        if wr.end_piv == mas.last:
            new_end -= 1
        return new_end

    def mas_wr_store_type(self, wr: WrState) -> i32:
        """Walk to the place of the store and say of which kind it is.

        A NULL is widened over its neighbours on the way, so ``index`` and ``last`` may change.
        """
        mas: MaState = wr.mas
        wr.vacant_height = 0
        wr.sufficient_height = 0
        self.mas_wr_prealloc_setup(wr)
        if mas.status == NONE or mas.status == ROOT:
            return STORE_ROOT
        if not self.mas_wr_walk(wr):
            return SPANNING_STORE
        self.mas_wr_end_piv(wr)
        if wr.entry == 0:
            self.mas_wr_extend_null(wr)
        if wr.r_min == mas.index and wr.r_max == mas.last:
            return EXACT_FIT
        if mas.index == 0 and mas.last == self.max_index:
            return NEW_ROOT
        new_end: i32 = self.mas_wr_new_end(wr)
        if new_end < self.min_of[wr.type]:
            if not root_node(self, mas.node & ~255) and not mas.mas_flags & BULK:
                return REBALANCE
            return NODE_STORE
        if new_end >= self.slots_of[wr.type]:
            return SPLIT_STORE
        rcu: bint = in_rcu(self, mas.tree)
        if not rcu and mas.offset == wr.node_end:
            return APPEND
        if new_end == wr.node_end and (not rcu or wr.offset_end - mas.offset == 1):
            return SLOT_STORE
        return NODE_STORE

    def mas_prealloc_calc(self, wr: WrState) -> i32:
        """How many nodes the store whose type is decided asks for."""
        mas: MaState = wr.mas
        type: i32 = mas.store_type
        height: i32 = height_of(self, mas.tree)
        if type == STORE_ROOT:
            return 1 if mas.last != 0 or mas.index != 0 or wr.entry & 3 == 2 else 0
        if type == NEW_ROOT:
            return 1
        if type == NODE_STORE:
            return 1 if in_rcu(self, mas.tree) else 0
        if type != SPLIT_STORE and type != REBALANCE and type != SPANNING_STORE:
            return 0
        spared: i32 = 0
        if self.by_height:
            spared = wr.vacant_height
            if type != SPLIT_STORE and wr.sufficient_height < spared:
                spared = wr.sufficient_height
        elif type == REBALANCE:
            return height * 2 - 1
        return (3 if type == SPANNING_STORE else 2) * (height - spared) + 1

    def mas_wr_typed_append(self, wr: WrState, new_end: i32) -> None:
        """Cut the last slot in place, the entry before, behind or in the middle of it."""
        mas: MaState = wr.mas
        node: u64 = wr.node
        end: i32 = wr.node_end
        if new_end < self.pivots_of[wr.type]:
            put_pivot(self, node, new_end, pivot_at(self, node, end))
            put_meta(self, node, wr.type, 0, new_end)
        if new_end == end + 1 and mas.last == wr.r_max:
            put_slot(self, node, wr.type, new_end, wr.entry)
            put_pivot(self, node, end, mas.index - 1)
            mas.offset = new_end
        elif new_end == end + 1:
            put_slot(self, node, wr.type, new_end, wr.content)
            put_pivot(self, node, end, mas.last)
            put_slot(self, node, wr.type, end, wr.entry)
        else:
            put_slot(self, node, wr.type, new_end, wr.content)
            put_pivot(self, node, end + 1, mas.last)
            put_slot(self, node, wr.type, end + 1, wr.entry)
            put_pivot(self, node, end, mas.index - 1)
            mas.offset = end + 1
        if wr.content == 0 or wr.entry == 0:
            self.mas_update_gap(mas)

    def mas_wr_typed_slot_store(self, wr: WrState) -> None:
        """Move the borders between two slots, or those of the middle one of three."""
        mas: MaState = wr.mas
        node: u64 = wr.node
        offset: i32 = mas.offset
        gap: bint = slot_at(self, node, wr.type, offset) == 0
        if slot_at(self, node, wr.type, offset + 1) == 0:
            gap = True
        if wr.offset_end - offset == 1:
            if mas.index == wr.r_min:
                put_slot(self, node, wr.type, offset, wr.entry)
                put_pivot(self, node, offset, mas.last)
            else:
                put_slot(self, node, wr.type, offset + 1, wr.entry)
                put_pivot(self, node, offset, mas.index - 1)
                mas.offset += 1
        else:
            if in_rcu(self, mas.tree):
                raise KernelWarning("mt_in_rcu(mas->tree)", "mas_wr_slot_store")
            if slot_at(self, node, wr.type, offset + 2) == 0:
                gap = True
            put_slot(self, node, wr.type, offset + 1, wr.entry)
            put_pivot(self, node, offset, mas.index - 1)
            put_pivot(self, node, offset + 1, mas.last)
            mas.offset += 1
        if wr.entry == 0 or gap:
            self.mas_update_gap(mas)

    def mas_wr_store_decided(self, wr: WrState) -> None:
        """Carry out the store whose type is decided and whose nodes are there."""
        mas: MaState = wr.mas
        type: i32 = mas.store_type
        if type == EXACT_FIT:
            put_slot(self, wr.node, wr.type, mas.offset, wr.entry)
            if (wr.entry != 0) != (wr.content != 0):
                self.mas_update_gap(mas)
        elif type == APPEND:
            self.mas_wr_typed_append(wr, self.mas_wr_new_end(wr))
        elif type == SLOT_STORE:
            self.mas_wr_typed_slot_store(wr)
        elif type == NODE_STORE:
            self.mas_wr_node_store(wr)
        elif type == SPANNING_STORE:
            self.mas_wr_spanning_store(wr)
        elif type in (SPLIT_STORE, REBALANCE):
            self.mas_wr_bnode(wr)
        elif type == NEW_ROOT:
            self.mas_new_root(mas, wr.entry)
        else:
            self.mas_store_root(mas, wr.entry)

    def mas_wr_store_entry(self, wr: WrState) -> None:
        """Store ``entry`` over ``index`` to ``last``; ``content`` becomes what was at ``index``.

        On -ENOMEM the state is in error and the tree is as before.
        """
        if not self.typed:
            self.mas_wr_store_ladder(wr)
            return
        mas: MaState = wr.mas
        mas.store_type = self.mas_wr_store_type(wr)
        self.mas_node_count(mas, self.mas_prealloc_calc(wr))
        if mas.status != ERROR:
            self.mas_wr_store_decided(wr)
