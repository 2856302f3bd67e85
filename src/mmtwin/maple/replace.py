"""Putting new nodes in the place of old ones.

Three things have to happen: the parent's slot (or ``ma_root``) gets the new node, the children get
their new parent, the old nodes are marked dead and freed. Up to 6.5 the old nodes are marked first,
so that readers of the new data see the old as dead; from 6.6 the new node is published first, so
that a reader who starts again does not meet the same dead node.

A new subtree is a mix of new nodes, whose parent words are right, and old ones, whose parent words
still name their old parents. On each level at most three new nodes have new nodes below them: they
are found by their parent words, and everything else on the way is adopted.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.maple.bignode import BigNodes
from mmtwin.maple.state import MaState, SubtreeState

if not cython.compiled:
    from mmtwin.maple.words import (
        end_of,
        height_of,
        index_of,
        inner_type_of,
        parent_of,
        parent_slot_of,
        put_parent,
        put_slot,
        root_node,
        root_of,
        set_dead,
        set_parent_of,
        slot_at,
        type_of,
        word,
    )

NONE = declare(i32, 3)
LEAF = declare(i32, 1)
HEIGHT_MAX = declare(i32, 32)


class Replace(BigNodes):
    """Publication, adoption, and the end of what was replaced."""

    def mas_adopt_children(self, mas: MaState, parent: u64) -> None:
        """Make ``parent`` the parent of every child in the state's node."""
        node: u64 = mas.node & ~255
        x: u64 = index_of(self, node)
        type: i32 = type_of(self, parent)
        slots: i32 = self.slot_word[type]
        offset: i32 = end_of(self, x, node, type, mas.max)
        while offset >= 0:
            set_parent_of(self, word(self, x, node, slots + offset), parent, offset)
            offset -= 1

    def mas_old_enode(self, mas: MaState) -> u64:
        """What stands in the tree where the state's node belongs, by its parent word."""
        node: u64 = mas.node & ~255
        if root_node(self, node):
            return root_of(self, mas.tree)
        inner: i32 = inner_type_of(self, mas.tree)
        return slot_at(self, parent_of(self, mas.node), inner, parent_slot_of(self, mas.node))

    def mas_put_in_tree(self, mas: MaState, old: u64, height: i32) -> None:
        """Publish the state's node where its parent word says. From 6.6 ``old`` is dead then.

        A root makes the tree ``height`` levels high; 0 leaves the height as it is.
        """
        node: u64 = mas.node & ~255
        if root_node(self, node):
            put_parent(self, node, mas.tree | 1)
            self.set_root(mas.tree, mas.node | 2)
            if height:
                self.mt_set_height(mas.tree, height)
        else:
            inner: i32 = inner_type_of(self, mas.tree)
            parent: u64 = parent_of(self, mas.node)
            put_slot(self, parent, inner, parent_slot_of(self, mas.node), mas.node)
        if not self.dead_first:
            set_dead(self, old)

    def mas_replace(self, mas: MaState, advanced: bint) -> None:
        """Replace what stands in the place of the state's node by it.

        Unless ``advanced`` the node's children are adopted, and the old node is marked dead and
        freed.
        """
        old: u64 = self.mas_old_enode(mas)
        if not advanced and type_of(self, mas.node) != LEAF:
            self.mas_adopt_children(mas, mas.node)
        self.mas_put_in_tree(mas, old, 0)
        if not advanced:
            set_dead(self, old)
            self.mas_free(mas, old)

    def mas_new_child(self, mas: MaState, child: MaState) -> bint:
        """Set ``child`` on the next child (from ``offset`` on) whose parent word names the
        state's node; False if there is none."""
        node: u64 = mas.node & ~255
        x: u64 = index_of(self, node)
        type: i32 = type_of(self, mas.node)
        slots: i32 = self.slot_word[type]
        end: i32 = end_of(self, x, node, type, mas.max)
        offset: i32 = mas.offset
        while offset <= end:
            if parent_of(self, word(self, x, node, slots + offset)) == node:
                child.copy_from(mas)
                mas.offset = offset + 1
                child.offset = offset
                self.mas_descend(child)
                child.offset = 0
                return True
            offset += 1
        return False

    def _level(self, mast: SubtreeState, at: i32) -> MaState:
        if at == 0:
            return mast.level0
        return mast.level1 if at == 1 else mast.level2

    def _next_level(self, mast: SubtreeState, at: i32) -> MaState:
        if at == 0:
            return mast.next0
        return mast.next1 if at == 1 else mast.next2

    def new_children(self, mas: MaState, mast: SubtreeState, count: i32, prune: bint) -> i32:
        """Collect the children of ``mas`` that name it as their parent behind the ``count`` found.

        With ``prune`` those that lie wholly in the range written are not collected but listed as
        dead subtrees.
        """
        while count < 3:
            child: MaState = self._next_level(mast, count)
            if not self.mas_new_child(mas, child):
                break
            if prune and child.min >= child.index and child.max <= child.last:
                self.mat_add_subtree(mast, child.node)
            else:
                count += 1
        return count

    def mas_descend_adopt(self, mas: MaState, mast: SubtreeState) -> None:
        """Go down through the new nodes below ``mas`` and set right all parent words."""
        mast.level0.copy_from(mas)
        mast.level0.offset = 0
        mast.level1.status = NONE
        mast.level2.status = NONE
        levels: i32 = 0
        while type_of(self, mast.level0.node) != LEAF:
            levels += 1
            if levels > HEIGHT_MAX:
                self.stuck("mas_descend_adopt")
            count: i32 = 0
            i: i32
            for i in range(3):
                here: MaState = self._level(mast, i)
                if here.status == NONE:
                    continue
                count = self.new_children(here, mast, count, False)
                self.mas_adopt_children(here, here.node)
            if count == 0:
                return
            self._go_down(mast, count)

    def _go_down(self, mast: SubtreeState, count: i32) -> i32:
        i: i32
        for i in range(3):
            if i < count:
                self._level(mast, i).copy_from(self._next_level(mast, i))
            else:
                self._level(mast, i).status = NONE
        return 0

    def mas_topiary_replace(self, mas: MaState, old: u64, mast: SubtreeState, height: i32) -> None:
        """Publish first, then follow the old nodes from ``old`` downwards and discard them.

        After the adoption an old node's children that still name it as their parent are the ones
        replaced too: wholly in the range written they are destroyed as subtrees, else followed.
        """
        self.mas_put_in_tree(mas, old, height)
        self.mas_descend_adopt(mas, mast)
        if type_of(self, old) == LEAF:
            self.mas_free(mas, old)
            return
        mast.level0.copy_from(mas)
        mast.level0.offset = 0
        mast.level0.node = old
        mast.level1.status = NONE
        mast.level2.status = NONE
        levels: i32 = 0
        leaf: bint = False
        while not leaf:
            levels += 1
            if levels > HEIGHT_MAX:
                self.stuck("mas_topiary_replace")
            count: i32 = 0
            i: i32
            for i in range(3):
                if self._level(mast, i).status != NONE:
                    count = self.new_children(self._level(mast, i), mast, count, True)
            if count == 0:
                break
            self._discard(mas, mast)
            self._go_down(mast, count)
            leaf = type_of(self, mast.level0.node) == LEAF
        self._discard(mas, mast)
        self.mas_mat_destroy(mas, mast)

    def _discard(self, mas: MaState, mast: SubtreeState) -> None:
        i: i32
        for i in range(3):
            if self._level(mast, i).status != NONE:
                set_dead(self, self._level(mast, i).node)
                self.mas_free(mas, self._level(mast, i).node)

    def mas_wmb_replace(self, mas: MaState, old: u64, mast: SubtreeState, height: i32) -> None:
        """Put a rebuilt piece of the tree, ``height`` levels high, in place and bring the gaps
        above it up to date.

        ``old`` is the topmost node replaced. Up to 6.5 the topiaries of ``mast`` hold what was
        marked dead on the way up; later they are filled only now.
        """
        if self.dead_first:
            self.mas_put_in_tree(mas, old, height)
            self.mas_descend_adopt(mas, mast)
            self.mas_mat_free(mas, mast)
            self.mas_mat_destroy(mas, mast)
        else:
            self.mas_topiary_replace(mas, old, mast, height)
        if type_of(self, mas.node) != LEAF:
            self.mas_update_gap(mas)
        mas.depth = height_of(self, mas.tree) - 1 + self.depth_base
