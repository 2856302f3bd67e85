"""The two edges of what is replaced, on the way up, and the old nodes between them.

What a rebuild leaves behind is listed here: on the way up, and where an edge jumps to a neighbour.
"""

from __future__ import annotations

import cython
from cython import declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.maple.replace import Replace
from mmtwin.maple.state import MaState, SubtreeState, WrState

if not cython.compiled:
    from mmtwin.maple.words import (
        dead_node,
        end_at,
        end_of,
        index_of,
        next_slot_for,
        slot_at,
        type_of,
        word,
    )

HEIGHT_MAX = declare(i32, 32)


class Edges(Replace):
    """The left edge, ``orig_l``, and the right one, ``orig_r``, of what a rebuild replaces."""

    def mas_wr_node_walk(self, wr: WrState) -> i32:
        """Move ``offset`` right to the slot of ``index`` in the state's node.

        Starts at the state's ``offset`` and never moves left. A zero pivot behind slot 0 stands
        for the node's ``max``.
        """
        mas: MaState = wr.mas
        node: u64 = mas.node & ~255
        x: u64 = index_of(self, node)
        wr.node = node
        count: i32 = end_of(self, x, node, wr.type, mas.max)
        wr.node_end = count
        offset: i32 = next_slot_for(self, x, node, mas.offset, count, mas.index)
        wr.r_min = mas.min
        if offset > 0:
            wr.r_min = (word(self, x, node, offset) + 1) & self.max_index
        wr.r_max = mas.max
        if offset < count:
            pivot: u64 = word(self, x, node, offset + 1)
            if mas.index <= pivot:
                wr.r_max = pivot
        wr.offset_end = mas.offset = offset
        return 0

    # Old nodes on the way up.

    def mas_topiary_range(self, mas: MaState, mast: SubtreeState, start: i32, end: i32) -> None:
        """List the children ``start`` to ``end`` (inclusive) that are still alive as subtrees to
        destroy."""
        node: u64 = mas.node & ~255
        type: i32 = type_of(self, mas.node)
        while start <= end:
            child: u64 = slot_at(self, node, type, start)
            if not dead_node(self, child & ~255):
                self.mat_add_subtree(mast, child)
            start += 1

    def mast_topiary(self, mast: SubtreeState) -> None:
        """List the subtrees between the two edges on this level: they are overwritten whole."""
        if not self.dead_first:
            return
        left: MaState = mast.orig_l
        right: MaState = mast.orig_r
        left.index = left.last
        self._walk_to(mast, left)
        if left.node == right.node:
            self.mas_topiary_range(left, mast, left.offset + 1, right.offset - 1)
            return
        self.mas_topiary_range(left, mast, left.offset + 1, end_at(self, left))
        self.mas_topiary_range(right, mast, 0, right.offset - 1)

    def _walk_to(self, mast: SubtreeState, mas: MaState) -> i32:
        wr: WrState = mast.l_wr
        kept: MaState = wr.mas
        wr.mas = mas
        wr.type = type_of(self, mas.node)
        self.mas_wr_node_walk(wr)
        wr.mas = kept
        return 0

    def mast_ascend_free(self, mast: SubtreeState) -> None:
        """Take both edges up one level; what they leave is replaced and will be freed."""
        left: u64 = mast.orig_l.node
        right: u64 = mast.orig_r.node
        self.mas_ascend(mast.orig_l)
        self.mas_ascend(mast.orig_r)
        if self.dead_first:
            self.mat_add(mast, left)
            if left != right:
                self.mat_add(mast, right)
        mast.orig_r.offset = 0
        mast.orig_r.index = mast.r.max
        if mast.orig_r.last < mast.orig_r.index:
            mast.orig_r.last = mast.orig_r.index
        self._walk_to(mast, mast.orig_r)
        mast.orig_l.offset = 0
        mast.orig_l.index = mast.l.min
        self._walk_to(mast, mast.orig_l)
        mast.bn.type = type_of(self, mast.orig_l.node)

    def _drop_right_path(self, mast: SubtreeState, ancestor: u64, start: i32) -> None:
        """The right edge jumped to a neighbour: list what its old path leaves behind."""
        path: MaState = mast.spare
        path.copy_from(mast.tmp_r)
        levels: i32 = 0
        while path.node != ancestor:
            levels += 1
            if levels > HEIGHT_MAX:
                self.stuck("mast_spanning_rebalance")
            child: u64 = path.node
            self.mas_ascend(path)
            first: i32 = start if path.node == ancestor else 0
            if path.offset > 0:
                path.offset -= 1
            if first < path.offset:
                self.mas_topiary_range(path, mast, first, path.offset)
            if mast.tmp_l.node != child:
                self.mat_add(mast, child)

    def _drop_left_path(self, mast: SubtreeState, ancestor: u64, end: i32) -> None:
        """The left edge jumped to a neighbour: list what its old path leaves behind."""
        path: MaState = mast.spare
        path.copy_from(mast.tmp_l)
        levels: i32 = 0
        while path.node != ancestor:
            levels += 1
            if levels > HEIGHT_MAX:
                self.stuck("mast_spanning_rebalance")
            child: u64 = path.node
            self.mas_ascend(path)
            last: i32 = end if path.node == ancestor else end_at(self, path)
            if path.offset < last:
                path.offset += 1
            if path.offset < last:
                self.mas_topiary_range(path, mast, path.offset, last)
            if mast.tmp_r.node != child:
                self.mat_add(mast, child)
