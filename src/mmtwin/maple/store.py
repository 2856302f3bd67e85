"""One store: from the walk to the slots that change.

A store takes the cheapest way that its place allows: a direct root, a new root, one slot, an
append, a slot and its neighbour's edge, the leaf rebuilt in place or as a new node, a rebalance, a
split, or, where it leaves the leaf, the spanning store.
"""

from __future__ import annotations

from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.maple.era import Era
from mmtwin.maple.split import Split
from mmtwin.maple.state import BigNode, MaState, SubtreeState, WrState
from mmtwin.memory.allocator import Allocator
from mmtwin.memory.memory import Memory

ACTIVE = declare(i32, 0)
START = declare(i32, 1)
ROOT = declare(i32, 2)
NONE = declare(i32, 3)
PAUSE = declare(i32, 4)
LEAF = declare(i32, 1)
BULK = declare(i32, 1)
REBALANCE = declare(i32, 2)
HEIGHT_MAX = declare(i32, 32)


class Store(Split):
    """The store paths as 6.1 has them; every step is a method of its own."""

    def __init__(
        self,
        memory: Memory,
        allocator: Allocator,
        *,
        era: str | tuple[int, ...] | Era = "6.1",
        bits: i32 = 64,
    ) -> None:
        super().__init__(memory, allocator, era=era, bits=bits)
        self.frames: list[WrState] = []

    def wr_begin(self, mas: MaState, entry: u64) -> WrState:
        """A stack frame for one store; tasks may be inside stores of different trees at once."""
        wr: WrState = self.frames.pop() if self.frames else WrState(SubtreeState())
        wr.mas = mas
        wr.entry = entry
        wr.content = 0
        wr.mast.free_head = wr.mast.free_tail = 0
        wr.mast.destroy_head = wr.mast.destroy_tail = 0
        return wr

    def wr_end(self, wr: WrState) -> None:
        """Give the frame back."""
        self.frames.append(wr)

    # Roots.

    def mas_root_expand(self, mas: MaState, entry: u64) -> None:
        """Replace an empty or direct root by a leaf: what was at 0, a gap, the entry, a gap.

        The last pivot is written even where it is the whole tree's end: 3c769fd88b97
        ("maple_tree: set the node limit when creating a new root node").
        """
        contents: u64 = self.root(mas.tree)
        self.mas_node_count(mas, 1)
        if mas.is_err():
            return
        node: u64 = self.mas_pop_node(mas)
        self.set_parent_word(node, mas.tree | 1)
        slot: i32 = 0
        if mas.index > 0:
            if contents:
                self.set_slot(node, LEAF, 0, contents)
                if mas.index > 1:
                    slot = 1
            self.set_pivot(node, slot, mas.index - 1)
            slot += 1
        self.set_slot(node, LEAF, slot, entry)
        mas.offset = slot
        self.set_pivot(node, slot, mas.last)
        if mas.last != self.max_index:
            slot += 1
            self.set_pivot(node, slot, self.max_index)
        self.ma_set_meta(node, LEAF, 0, slot)
        self._root_leaf(mas, node)

    def _root_leaf(self, mas: MaState, node: u64) -> None:
        mas.node = node | (LEAF << 3) | 4
        mas.status = ACTIVE
        mas.min = 0
        mas.max = self.max_index
        mas.depth = 1
        self.mt_set_height(mas.tree, 1)
        self.set_root(mas.tree, mas.node | 2)
        mas.depth = self.depth_base

    def mas_store_root(self, mas: MaState, entry: u64) -> None:
        """Store into a tree without nodes. A NULL can only clear index 0:
        0ea120b278ad ("maple_tree: refine mas_store_root() on storing NULL")."""
        if entry == 0:
            if mas.index == 0:
                self.set_root(mas.tree, 0)
            return
        if mas.last != 0 or mas.index != 0 or entry & 3 == 2:
            self.mas_root_expand(mas, entry)
            return
        self.set_root(mas.tree, entry)
        mas.reset()

    def mas_new_root(self, mas: MaState, entry: u64) -> None:
        """The store covers everything: one slot remains, or nothing at all."""
        old: u64 = self.root(mas.tree)
        if entry == 0:
            self.mt_set_height(mas.tree, 0)
            self.set_root(mas.tree, 0)
            mas.depth = 0
            mas.reset()
        else:
            self.mas_node_count(mas, 1)
            if mas.is_err():
                return
            node: u64 = self.mas_pop_node(mas)
            self.set_parent_word(node, mas.tree | 1)
            self.set_slot(node, LEAF, 0, entry)
            self.set_pivot(node, 0, mas.last)
            mas.offset = 0
            self._root_leaf(mas, node)
        if old & 3 == 2 and old > 4096:
            self.mte_destroy_walk(old & ~2, mas.tree)

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

    def _wr_descend(self, wr: WrState) -> None:
        mas: MaState = wr.mas
        mas.max = wr.r_max
        mas.min = wr.r_min
        mas.node = wr.content
        mas.offset = 0
        mas.depth += 1

    def mas_wr_walk(self, wr: WrState) -> bint:
        """Walk down to the leaf of ``index``; False where the store turns out to span."""
        mas: MaState = wr.mas
        level: i32 = 0
        while level < HEIGHT_MAX:
            level += 1
            wr.type = self.node_type(mas.node)
            self.mas_wr_node_walk(wr)
            if self.mas_is_span_wr(wr):
                return False
            wr.content = self.slot(wr.node, wr.type, mas.offset)
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
        if self.ma_is_root(wr.node):
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
            wr.type = self.node_type(mas.node)
            self.mas_wr_node_walk(wr)
            wr.content = self.slot(wr.node, wr.type, mas.offset)
            if wr.type == LEAF:
                return
            self._wr_descend(wr)
        self.stuck("mas_wr_walk_index")

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
            and self.slot(l_wr.node, l_wr.type, slot - 1) == 0
        ):
            left.index = self.mas_safe_min(l_wr.node, slot - 1, left.min)
            left.offset = slot - 1
        if r_wr.content == 0:
            if right.last < r_wr.r_max:
                right.last = r_wr.r_max
            right.offset += 1
        elif (
            right.last == r_wr.r_max
            and right.last < right.max
            and self.slot(r_wr.node, r_wr.type, right.offset + 1) == 0
        ):
            right.last = self.mas_safe_pivot(r_wr.node, r_wr.type, right.offset + 1, right.max)
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
        height: i32 = self.mt_height(mas.tree)
        if not self.typed:
            self.mas_node_count(mas, 1 + height * 3)
            if mas.is_err():
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

    # Stores within a leaf.

    def mas_wr_end_piv(self, wr: WrState) -> None:
        """Find the slot of ``last``: ``offset_end``, and its upper end ``end_piv``.

        The bound comes before the pivot: cd00dd2585c4 ("maple_tree: fix potential out-of-bounds
        access in mas_wr_end_piv()").
        """
        mas: MaState = wr.mas
        while wr.offset_end < wr.node_end and mas.last > self.pivot(wr.node, wr.offset_end):
            wr.offset_end += 1
        if wr.offset_end < wr.node_end:
            wr.end_piv = self.pivot(wr.node, wr.offset_end)
        else:
            wr.end_piv = mas.max

    def mas_wr_extend_null(self, wr: WrState) -> None:
        """Widen a NULL over the NULLs that it touches, so that two never adjoin."""
        mas: MaState = wr.mas
        node: u64 = wr.node
        if mas.last < wr.end_piv and self.slot(node, wr.type, wr.offset_end) == 0:
            mas.last = wr.end_piv
        if (
            mas.last == wr.end_piv
            and wr.node_end != wr.offset_end
            and self.slot(node, wr.type, wr.offset_end + 1) == 0
        ):
            wr.offset_end += 1
            if wr.offset_end == wr.node_end:
                mas.last = mas.max
            else:
                mas.last = self.pivot(node, wr.offset_end)
            wr.end_piv = mas.last
        if wr.content == 0:
            mas.index = wr.r_min
        elif (
            mas.index == wr.r_min
            and mas.offset > 0
            and self.slot(node, wr.type, mas.offset - 1) == 0
        ):
            mas.offset -= 1
            wr.r_min = mas.index = self.mas_safe_min(node, mas.offset, mas.min)
            wr.r_max = self.pivot(node, mas.offset)

    def mas_wr_append(self, wr: WrState) -> bint:
        """Cut the last slot in two in place, the entry before or behind; False if it touches
        neither edge of it. Not in RCU mode: cfeb6ae8bcb9 ("maple_tree: disable mas_wr_append()
        when other readers are possible").
        """
        mas: MaState = wr.mas
        if self.mt_in_rcu(mas.tree):
            return False
        node: u64 = wr.node
        end: i32 = wr.node_end
        new_end: i32 = end + 1
        behind: bint = mas.index != wr.r_min and mas.last == wr.r_max
        if not behind and not (mas.index == wr.r_min and mas.last < wr.r_max):
            return False
        if new_end < self.pivots_of[wr.type]:
            self.set_pivot(node, new_end, self.pivot(node, end))
            self.ma_set_meta(node, LEAF, 0, new_end)
        if behind:
            self.set_slot(node, wr.type, new_end, wr.entry)
            mas.offset = new_end
            self.set_pivot(node, end, mas.index - 1)
        else:
            self.set_slot(node, wr.type, new_end, wr.content)
            self.set_pivot(node, end, mas.last)
            self.set_slot(node, wr.type, end, wr.entry)
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
            self.set_slot(node, wr.type, offset, wr.entry)
            self.set_pivot(node, offset, mas.last)
        else:
            if wr.end_piv != mas.last:
                return False
            next: i32 = offset + 1
            if next < self.pivots_of[wr.type] and (wr.entry != 0 or self.pivot(node, next) != 0):
                self.set_pivot(node, next, mas.last)
            self.set_slot(node, wr.type, next, wr.entry)
            self.set_pivot(node, offset, mas.index - 1)
            mas.offset = next
        self.mas_update_gap(mas)
        return True

    def mas_bulk_rebalance(self, mas: MaState, end: i32, type: i32) -> None:
        """In a bulk load a last node with enough slots needs no rebalance at the end."""
        if mas.mas_flags & BULK and not self.ma_is_root(mas.node & ~255) and end > self.min_of[type]:
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
                and not self.ma_is_root(mas.node & ~255)
            ):
                return False
        rcu: bint = self.mt_in_rcu(mas.tree)
        fresh: u64 = 0
        if rcu:
            self.mas_node_count(mas, 1)
            if mas.is_err():
                return False
            fresh = self.mas_pop_node(mas)
        pivots: i32 = self.pivots_of[type]
        count: i32 = 0
        while count < offset:
            wr.pivot[count] = self.pivot(node, count)
            wr.slot[count] = self.slot(node, type, count)
            count += 1
        if wr.r_min < mas.index:
            wr.pivot[count] = mas.index - 1
            wr.slot[count] = wr.content
            count += 1
        mas.offset = count
        wr.pivot[count] = mas.last
        wr.slot[count] = wr.entry
        count += 1
        if tail <= wr.node_end and mas.last < mas.max:
            self.bn_leaf_room(count + wr.node_end - tail)
            while tail <= wr.node_end:
                wr.pivot[count] = self.pivot(node, tail) if tail < pivots else mas.max
                wr.slot[count] = self.slot(node, type, tail)
                count += 1
                tail += 1
        self._commit_leaf(wr, fresh, count)
        self.mas_update_gap(mas)
        return True

    def bn_leaf_room(self, last: i32) -> None:
        """A leaf's image has no slot ``last``: the tree was corrupt before."""
        if last >= self.slots_of[LEAF]:
            self.bn_room(68, "mas_wr_node_store")

    def _write_leaf(self, mas: MaState, wr: WrState, fresh: u64, count: i32) -> None:
        """Write the ``count`` slots in the frame to the new node ``fresh``, or over the old one
        (``wr.node``) if 0."""
        type: i32 = wr.type
        node: u64 = fresh if fresh else wr.node
        pivots: i32 = self.pivots_of[type]
        slots: i32 = self.slots_of[type]
        i: i32
        if fresh:
            self.set_parent_word(node, self.parent_word(wr.node))
        for i in range(count):
            if i < pivots:
                self.set_pivot(node, i, wr.pivot[i])
            self.set_slot(node, type, i, wr.slot[i])
        if fresh == 0:
            for i in range(count, slots):
                if i < pivots:
                    self.set_pivot(node, i, 0)
                self.set_slot(node, type, i, 0)
        self.mas_leaf_set_meta(mas, node, type, count - 1, wr.pivot[count - 1])

    def _commit_leaf(self, wr: WrState, fresh: u64, count: i32) -> None:
        """Write the leaf's image, and put it in the old one's place if it is a new node."""
        mas: MaState = wr.mas
        self._write_leaf(mas, wr, fresh, count)
        if fresh:
            if self.dead_first:
                self.mte_set_node_dead(mas.node)
            mas.node = fresh | (wr.type << 3) | 4
            self.mas_replace(mas, False)

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
        pivot: u64 = self.mas_safe_pivot(wr.node, wr.type, offset_end, mas.max)
        if pivot == 0 and offset_end > 0:
            pivot = mas.max
        if pivot > mas.last:
            if pivot == self.max_index:
                self.mas_bulk_rebalance(mas, bn.b_end, wr.type)
            end += 1
            tail: u64 = wr.content
            if offset_end != slot:
                tail = self.slot(wr.node, wr.type, offset_end)
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
        if self.mt_in_rcu(mas.tree):
            return False
        if end > bn.b_end:
            i: i32
            for i in range(bn.b_end, self.slots_of[wr.type]):
                self.set_slot(wr.node, wr.type, i, 0)
                if i < self.pivots_of[wr.type]:
                    self.set_pivot(wr.node, i, 0)
        self.mab_mas_cp(bn, 0, bn.b_end, mas, False)
        return True

    def mas_commit_b_node(self, wr: WrState, end: i32) -> None:
        """Decide by size what becomes of the big node: rebalance, split, or one node."""
        mas: MaState = wr.mas
        bn: BigNode = wr.mast.bn
        if (
            bn.b_end < self.min_of[bn.type]
            and not self.ma_is_root(mas.node & ~255)
            and self.mt_height(mas.tree) > 1
        ):
            self.mas_rebalance(mas, wr.mast)
            return
        if bn.b_end >= self.slots_of[bn.type]:
            self.mas_split(mas, wr.mast)
            return
        if not self.mas_reuse_node(wr, end):
            self.mas_node_count(mas, 1)
            if mas.is_err():
                return
            node: u64 = self.mas_pop_node(mas)
            self.set_parent_word(node, self.parent_word(mas.node & ~255))
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
            self.set_slot(wr.node, wr.type, mas.offset, wr.entry)
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
            if self.mas_wr_node_store(wr) or mas.is_err():
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
        wr.type = self.node_type(mas.node)
        if mas.index < mas.min or self.mas_is_span_wr(wr):
            mas.reset()
