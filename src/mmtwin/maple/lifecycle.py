"""A store from outside: nodes before it, the store, what is left over, and a second try.

Nodes for a store come before anything changes: from a preallocation, or without sleeping on the
spot. If that fails the tree is untouched, and :meth:`Lifecycle.mas_nomem` may get memory with the
caller's flags for another try.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug
from mmtwin.machine.gfp import DIRECT_RECLAIM, GFP_KERNEL
from mmtwin.maple.state import MaState, WrState
from mmtwin.maple.steps import Steps

if not cython.compiled:
    from mmtwin.maple.words import (
        end_at,
        flags_of,
        gap_at,
        has_gaps,
        height_of,
        in_rcu,
        inner_type_of,
        meta_end_at,
        parent_of,
        parent_slot_of,
        pivot_at,
        put_gap,
        put_meta,
        put_pivot,
        put_slot,
        root_node,
        safe_pivot,
        set_dead,
        slot_at,
        type_of,
    )

ACTIVE = declare(i32, 0)
ERROR = declare(i32, 7)
ROOT = declare(i32, 2)
NONE = declare(i32, 3)
BULK = declare(i32, 1)
REBALANCE = declare(i32, 2)
PREALLOC = declare(i32, 4)
UNPREPARED = declare(i32, 8)
APPEND = declare(i32, 7)
NODE_STORE = declare(i32, 8)
ENOMEM = declare(i32, 12)
EEXIST = declare(i32, 17)
MAY_SLEEP = declare(u64, DIRECT_RECLAIM)
KERNEL = declare(u64, GFP_KERNEL)


class Lifecycle(Steps):
    """``mas_store`` and its kin, preallocation, erase, bulk loads."""

    # Where a machine with locks hooks in; alone, the tree needs none.

    def mtree_lock(self, tree: u64) -> None:
        """Take the tree's own spinlock."""

    def mtree_unlock(self, tree: u64) -> None:
        """Release the tree's own spinlock."""

    # Nodes before and after.

    def mas_destroy(self, mas: MaState) -> None:
        """Give back the nodes that the state holds, and end a bulk load.

        A bulk load fills nodes to the brim and may leave too little for the last: it then shares
        with its left sibling.
        """
        if mas.mas_flags & REBALANCE:
            self.mas_start(mas)
            if mas.status == ACTIVE:
                self.mtree_range_walk(mas)
                end: i32 = end_at(self, mas) + 1
                small: bint = end < self.min_of[type_of(self, mas.node)] - 1
                if small and not root_node(self, mas.node & ~255):
                    self.mas_destroy_rebalance(mas, end)
            mas.mas_flags &= ~REBALANCE
        mas.mas_flags &= ~(BULK | PREALLOC | UNPREPARED)
        self.mas_free_chain(mas)

    def mas_destroy_rebalance(self, mas: MaState, end: i32) -> None:
        """Move the upper half of the left sibling into the last leaf, which has ``end`` slots."""
        wr: WrState = self.wr_begin(mas, 0)
        left: MaState = wr.mast.orig_l
        try:
            left.copy_from(mas)
            if not self.mas_prev_sibling(left):
                return
            if in_rcu(self, mas.tree):
                self.mas_node_count(mas, 3)
                if mas.status == ERROR:
                    return
            node: u64 = left.node & ~255
            type: i32 = type_of(self, left.node)
            split: i32 = self.slots_of[type] // 2
            if slot_at(self, node, type, split) == 0:
                split += 1
            self._share_leaves(mas, left, wr, end, split)
        finally:
            self.wr_end(wr)

    def _share_leaves(self, mas: MaState, left: MaState, wr: WrState, end: i32, split: i32) -> None:
        """Rewrite both leaves: ``left`` keeps its slots up to ``split``."""
        rcu: bint = in_rcu(self, mas.tree)
        old_left: u64 = left.node
        old_right: u64 = mas.node
        type: i32 = type_of(self, old_left)
        bits: u64 = (type << 3) | 4
        parent: u64 = parent_of(self, old_left)
        slot: i32 = parent_slot_of(self, old_left)
        cut: u64 = pivot_at(self, old_left & ~255, split)
        count: i32 = 0
        at: i32
        for at in range(split + 1, end_at(self, left) + 1):
            wr.slot[count] = slot_at(self, old_left & ~255, type, at)
            wr.pivot[count] = safe_pivot(self, old_left & ~255, type, at, left.max)
            count += 1
        for at in range(end):
            wr.slot[count] = slot_at(self, old_right & ~255, type, at)
            wr.pivot[count] = safe_pivot(self, old_right & ~255, type, at, mas.max)
            count += 1
        wr.type = type
        wr.node = old_right & ~255
        mas.min = cut + 1
        fresh: u64 = self.mas_pop_node(mas) if rcu else 0
        self._write_leaf(mas, wr, fresh, count)
        kept: i32
        for kept in range(split + 1):
            wr.slot[kept] = slot_at(self, old_left & ~255, type, kept)
            wr.pivot[kept] = pivot_at(self, old_left & ~255, kept)
        wr.node = old_left & ~255
        left.max = cut
        fresh_left: u64 = self.mas_pop_node(mas) if rcu else 0
        self._write_leaf(left, wr, fresh_left, split + 1)
        inner: i32 = inner_type_of(self, mas.tree)
        top: u64 = parent
        if rcu:
            top = self.mas_pop_node(mas)
            self.memory.copy(top, parent, 256)
            mas.node = fresh | bits
            left.node = fresh_left | bits
            put_slot(self, top, inner, slot, left.node)
            put_slot(self, top, inner, slot + 1, mas.node)
        put_pivot(self, top, slot, cut)
        if inner == 3:
            put_gap(self, top, slot + 1, self.mas_leaf_max_gap(mas))
            put_gap(self, top, slot, self.mas_leaf_max_gap(left))
        self.mas_ascend(mas)
        if rcu:
            mas.node = top | (inner << 3) | 4
            self.mas_replace(mas, False)
            set_dead(self, old_left)
            self.mas_free(mas, old_left)
            set_dead(self, old_right)
            self.mas_free(mas, old_right)
        if inner == 3:
            self._refresh_meta_gap(mas)
        self.mas_update_gap(mas)

    def _refresh_meta_gap(self, mas: MaState) -> None:
        """Both gaps of the parent may have changed: find its largest anew."""
        node: u64 = mas.node & ~255
        end: i32 = meta_end_at(self, node, 3)
        widest_at: i32 = self.gap_none
        widest: u64 = 0
        at: i32 = end
        while at >= 0:
            if gap_at(self, node, at) > widest:
                widest = gap_at(self, node, at)
                widest_at = at
            at -= 1
        put_meta(self, node, 3, widest_at, end)

    def mas_nomem(self, mas: MaState, gfp: u64) -> bint:
        """After a store: True if it failed for want of memory and some was had now, so that it
        must be tried again from the start. The tree's own lock is dropped meanwhile if ``gfp``
        may sleep; an external lock never is.

        Gives up when a try gets no node more; the kernel would try on as long as it holds any.
        """
        if mas.error() != -ENOMEM:
            self.mas_destroy(mas)
            return False
        held: u64 = self.mas_allocated(mas)
        sleeps: bint = gfp & MAY_SLEEP != 0 and flags_of(self, mas.tree) & 0x300 != 0x300
        if sleeps:
            self.mtree_unlock(mas.tree)
        self.mas_alloc_nodes(mas, gfp)
        if sleeps:
            self.mtree_lock(mas.tree)
        if self.mas_allocated(mas) == held:
            self.mas_free_chain(mas)
            return False
        mas.reset()
        return True

    # Stores.

    def _store_gfp(self, mas: MaState, entry: u64, gfp: u64, setup: bint) -> i32:
        """Store with a retry; ``index`` and ``last`` are restored before it, for the tree may
        have changed: e1b8b883bb83 ("maple_tree: reset mas->index and mas->last on write
        retries")."""
        wr: WrState = self.wr_begin(mas, entry)
        index: u64 = mas.index
        last: u64 = mas.last
        try:
            if setup:
                self.mas_wr_store_setup(wr)
            self.mas_wr_store_entry(wr)
            while self.mas_nomem(mas, gfp):
                mas.index = index
                mas.last = last
                self.mas_wr_store_entry(wr)
        finally:
            self.wr_end(wr)
        error: i32 = mas.error()
        if error:
            mas.index = index
            mas.last = last
        return error

    def mas_store(self, mas: MaState, entry: u64) -> u64:
        """Store over ``index`` to ``last`` (inclusive); the entry that was at ``index``.

        An error shows in the state only. What nodes are left stay in the state.
        """
        wr: WrState = self.wr_begin(mas, entry)
        try:
            self.mas_wr_store_setup(wr)
            self.mas_wr_store_entry(wr)
            return wr.content
        finally:
            self.wr_end(wr)

    def mas_store_gfp(self, mas: MaState, entry: u64, gfp: u64) -> i32:
        """Store, getting memory with the caller's flags if need be: 0 or a negative error."""
        return self._store_gfp(mas, entry, gfp, True)

    def mas_preallocate_count(self, mas: MaState, entry: u64) -> i32:
        """How many nodes :meth:`mas_preallocate` asks for; the state is moved to the place of the
        store where the era's formula looks at it.

        6.1 to 6.5: the worst case of any store, three nodes a level and a root. 6.6 to 6.11 by the
        leaf's new size: none for an exact fit or a slot store, one for an append or node store, and
        where the leaf may get too small as for a rebalance. Later by store type.
        """
        if self.prealloc_worst:
            return 1 + height_of(self, mas.tree) * 3
        wr: WrState = self.wr_begin(mas, entry)
        index: u64 = mas.index
        last: u64 = mas.last
        count: i32
        try:
            mas.store_type = self.mas_wr_store_type(wr)
            count = self.mas_prealloc_calc(wr)
            if self.prealloc_sharp and mas.store_type in (APPEND, NODE_STORE):
                root: bint = root_node(self, mas.node & ~255)
                small: bint = self.mas_wr_new_end(wr) - 1 <= self.min_of[wr.type]
                count = height_of(self, mas.tree) * 2 - 1 if small and not root else 1
        finally:
            self.wr_end(wr)
        mas.index = index
        mas.last = last
        return count

    def mas_preallocate(self, mas: MaState, entry: u64, gfp: u64) -> i32:
        """Get the nodes that storing ``entry`` over ``index`` to ``last`` may need: 0 or -ENOMEM.

        Serves one store: :meth:`mas_store_prealloc` gives back what it leaves.
        """
        mas.mas_flags &= ~PREALLOC
        count: i32 = self.mas_preallocate_count(mas, entry)
        self.mas_node_count_gfp(mas, count, gfp)
        if mas.status != ERROR:
            mas.mas_flags |= PREALLOC
            return 0
        error: i32 = mas.error()
        self.mas_set_alloc_req(mas, 0)
        mas.reset()
        self.mas_destroy(mas)
        return error

    def mas_store_prealloc(self, mas: MaState, entry: u64) -> None:
        """Store with the nodes from :meth:`mas_preallocate`. There is no error to return: without
        memory the kernel stops (:class:`KernelBug`). Always ends with :meth:`mas_destroy`."""
        if not mas.mas_flags & PREALLOC:
            mas.mas_flags |= UNPREPARED
        wr: WrState = self.wr_begin(mas, entry)
        try:
            self.mas_wr_store_setup(wr)
            self.mas_wr_store_entry(wr)
        finally:
            self.wr_end(wr)
        if mas.status == ERROR:
            raise KernelBug("mas_is_err(mas)", "mas_store_prealloc")
        self.mas_destroy(mas)

    def mas_erase(self, mas: MaState) -> u64:
        """Remove the whole range that holds ``index``; the entry removed, 0 if there was none.

        Without memory the entry is returned and nothing removed; the state tells -ENOMEM.
        """
        if mas.status != ACTIVE or self.bounded_states:
            mas.reset()
        entry: u64 = self.mas_state_walk(mas)
        if entry != 0:
            mas.reset()
            self._store_gfp(mas, 0, KERNEL, True)
        return entry

    def mas_insert(self, wr: WrState) -> u64:
        """Store only where nothing is; what was there, with -EEXIST, otherwise."""
        mas: MaState = wr.mas
        wr.content = self.mas_start(mas)
        if wr.content == 0:
            if mas.status == NONE or mas.status == ROOT:
                self.mas_store_root(mas, wr.entry)
                return 0
            if self.mas_wr_walk(wr):
                wr.offset_end = mas.offset
                wr.end_piv = wr.r_max
                if wr.content == 0 and mas.last <= wr.r_max:
                    if wr.entry != 0:
                        self._insert_here(wr)
                    return 0
        mas.set_err(-EEXIST)
        return wr.content

    def _insert_here(self, wr: WrState) -> None:
        if not self.typed:
            self.mas_wr_modify(wr)
            return
        wr.mas.reset()
        self.mas_wr_store_entry(wr)

    def mas_expected_entries(self, mas: MaState, count: u64) -> i32:
        """Begin a bulk load of ``count`` ascending entries: 0 or -ENOMEM. End it with
        :meth:`mas_destroy`.

        Counts leaves and one level of inner nodes; a taller tree may have to allocate more.
        """
        inner: u64 = 8 if self.wide else 19
        if not has_gaps(self, mas.tree):
            inner = self.slots_of[2] - 2
        leaf: u64 = self.slots_of[1] - 2
        nodes: u64 = (2 * count + 1 + leaf - 1) // leaf
        nodes += (nodes + inner - 1) // inner
        mas.mas_flags |= BULK
        self.mas_node_count_gfp(mas, nodes + 3, KERNEL)
        mas.mas_flags |= PREALLOC
        if mas.status != ERROR:
            return 0
        error: i32 = mas.error()
        mas.reset()
        self.mas_destroy(mas)
        return error
