"""The big node: slots of several nodes laid side by side, to be dealt out to one, two or three.

Two rules govern where to cut: a node must not end in a NULL (so that each gap lies within one
node), and what remains must not be too small.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug
from mmtwin.maple.destroy import Destroy
from mmtwin.maple.state import BigNode, MaState, SubtreeState

if not cython.compiled:
    from mmtwin.maple.words import (
        has_gaps,
        index_of,
        put,
        put_meta,
        read_pivots,
        read_words,
        type_of,
        word,
        write_words,
    )

BULK = declare(i32, 1)
REBALANCE = declare(i32, 2)
ARANGE = declare(i32, 3)
ROOM = declare(i32, 68)


class BigNodes(Destroy):
    """Copying into and out of the big node, and the choice of the cuts."""

    def bn_room(self, end: i32, where: str) -> i32:
        """The kernel would write past its stack variable here; the twin stops."""
        if end >= ROOM:
            raise KernelBug(f"maple_big_node has no slot {end}", where)
        return 0

    def mab_shift_right(self, bn: BigNode, shift: i32) -> i32:
        """Make room for ``shift`` slots in front."""
        self.bn_room(bn.b_end + shift, "mab_shift_right")
        at: i32 = bn.b_end - 1
        while at >= 0:
            bn.pivot[at + shift] = bn.pivot[at]
            bn.slot[at + shift] = bn.slot[at]
            bn.gap[at + shift] = bn.gap[at]
            at -= 1
        return 0

    def mab_middle_node(self, bn: BigNode, split: i32, slot_count: i32) -> bint:
        """Two nodes cannot hold the data, or only if one of them ended in a NULL."""
        if bn.b_end >= 2 * slot_count:
            return True
        return bn.slot[split] == 0 and bn.b_end >= 2 * slot_count - 1

    def mab_no_null_split(self, bn: BigNode, split: i32, slot_count: i32) -> i32:
        """Move a cut off a NULL: to the right if the right side stays sufficient, else left."""
        if bn.slot[split] != 0:
            return split
        if split < slot_count - 1 and bn.b_end - split > self.min_of[bn.type]:
            return split + 1
        return split - 1

    def mab_calc_split(self, mas: MaState, mast: SubtreeState) -> i32:
        """The last slot of the left node; ``mast.mid_split`` the last of the middle one or 0.

        ``b_end`` is the last slot's index here. A bulk load fills the left node to the brim: it is
        known that the entries to come are higher.
        """
        bn: BigNode = mast.bn
        slot_count: i32 = self.slots_of[bn.type]
        split: i32 = bn.b_end // 2
        mast.mid_split = 0
        if mas.mas_flags & BULK:
            split = bn.b_end - self.min_of[bn.type]
            if bn.type >= 2:
                return split
            mas.mas_flags |= REBALANCE
            return split if bn.slot[split] != 0 else split - 1
        if not self.mab_middle_node(bn, split, slot_count):
            return self.mab_no_null_split(bn, split, slot_count)
        split = bn.b_end // 3
        mast.mid_split = self.mab_no_null_split(bn, split * 2, slot_count)
        return self.mab_no_null_split(bn, split, slot_count)

    def mas_mab_cp(self, mas: MaState, start: i32, end: i32, bn: BigNode, at: i32) -> i32:
        """Copy the slots ``start`` to ``end`` (inclusive) of the state's node into the big node
        from slot ``at`` on; ``b_end`` becomes one past the last.

        The copy ends early at the pivot that equals the node's ``max``.
        """
        node: u64 = mas.node & ~255
        x: u64 = index_of(self, node)
        type: i32 = type_of(self, mas.node)
        pivots: i32 = self.pivots_of[type]
        last: i32 = end if end < pivots else pivots
        self.bn_room(at + end - start + 1, "mas_mab_cp")
        i: i32 = start
        if i == 0:
            bn.pivot[at] = word(self, x, node, 1)
            i = 1
        count: i32 = 1
        if i <= end:
            i = read_pivots(self, x, node, i, last, mas.max, bn.pivot, at + i - start)
            count = i - start + 1
            ended: bint = i < last and bn.pivot[at + count - 1] != 0
            if not ended and i <= end:
                bn.pivot[at + count - 1] = mas.max if i >= pivots else word(self, x, node, i + 1)
        bn.b_end = at + count
        read_words(self, x, node, self.slot_word[type] + start, count, bn.slot, at)
        if type == ARANGE:
            read_words(self, x, node, self.gap_word + start, count, bn.gap, at)
        return 0

    def mas_leaf_set_meta(self, mas: MaState, node: u64, type: i32, end: i32, pivot: u64) -> i32:
        """Write the metadata of a leaf or range node whose last pivot written is number ``end``.

        If that pivot is below the node's ``max`` one more slot follows without a pivot. When the
        last slot is in use there is no room for metadata.
        """
        if end >= self.pivots_of[type]:
            return 0
        if pivot != 0 and pivot < mas.max:
            end += 1
        if end < self.slots_of[type] - 1:
            put_meta(self, node, type, 0, end)
        return 0

    def mab_mas_cp(self, bn: BigNode, start: i32, end: i32, mas: MaState, new_max: bint) -> i32:
        """Copy the slots ``start`` to ``end`` (inclusive) of the big node into the state's node.

        The copy ends early at a zero pivot. With ``new_max`` the state's ``max`` becomes the last
        pivot copied. Writes gaps and metadata.
        """
        node: u64 = mas.node & ~255
        x: u64 = index_of(self, node)
        type: i32 = type_of(self, mas.node)
        pivots: i32 = self.pivots_of[type]
        slots: i32 = self.slot_word[type]
        if end - start > pivots:
            end -= 1
        if word(self, x, node, pivots) == 0:
            put(self, x, node, slots + pivots, 0)
        count: i32 = 1
        while start + count <= end and bn.pivot[start + count] != 0:
            count += 1
        write_words(self, x, node, 1, count if count < pivots else pivots, bn.pivot, start)
        write_words(self, x, node, slots, count, bn.slot, start)
        last: i32 = count - 1
        if new_max:
            mas.max = bn.pivot[start + last]
        if type != ARANGE:
            self.mas_leaf_set_meta(mas, node, type, last, bn.pivot[start + last])
            return 0
        widest: u64 = 0
        widest_at: i32 = self.gap_unset
        write_words(self, x, node, self.gap_word, count, bn.gap, start)
        while count > 0:
            count -= 1
            if bn.gap[start + count] > widest:
                widest_at = count
                widest = bn.gap[start + count]
        put_meta(self, node, type, widest_at, last)
        return 0

    def mab_set_b_end(self, bn: BigNode, mas: MaState, enode: u64) -> i32:
        """Append a child, if there is one, with its range and its largest gap."""
        if enode == 0:
            return 0
        self.bn_room(bn.b_end, "mab_set_b_end")
        bn.slot[bn.b_end] = enode
        if has_gaps(self, mas.tree):
            bn.gap[bn.b_end] = self.mas_max_gap(mas)
        bn.pivot[bn.b_end] = mas.max
        bn.b_end += 1
        return 0

    def mas_new_ma_node(self, mas: MaState, bn: BigNode) -> u64:
        """A fresh node of the big node's type, from the state's chain."""
        node: u64 = self.mas_pop_node(mas)
        return node | (bn.type << 3) | 4

    def mas_mab_to_node(self, mas: MaState, mast: SubtreeState) -> i32:
        """Take one, two or three nodes for the big node's data: ``mast.left``, ``middle``,
        ``right`` (0 where not needed) and the cuts ``split`` and ``mid_split``."""
        bn: BigNode = mast.bn
        mast.left = self.mas_new_ma_node(mas, bn)
        mast.middle = 0
        mast.right = 0
        mast.mid_split = 0
        if bn.b_end < self.slots_of[bn.type]:
            mast.split = bn.b_end
            return 0
        mast.split = self.mab_calc_split(mas, mast)
        mast.right = self.mas_new_ma_node(mas, bn)
        if mast.mid_split:
            mast.middle = self.mas_new_ma_node(mas, bn)
        return 0
