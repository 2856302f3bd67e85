"""What one step can have broken in the trees, and nothing else.

Why this finds what the whole check finds. Every rule of a tree, taken at one place, reads a few
words: those of a node, the parent's words that give the node its range, slot and gap, and the
root's. At the mark all rules held. So a rule broken now has a word among those it reads that the
journal names, and it suffices to look at every rule that reads a changed word:

1. Rules inside a node read the node and its range. Every touched node that is reachable is
   entered: by its own parent words, as they are or as they were at the mark, its ancestors are
   marked, and the walk from the root goes down to all marked nodes. (A node whose parent word and
   whose parent's slot are both unchanged is reached through its old ancestors; if the slot changed,
   the parent is touched itself, and so on up to the root.) A node whose range may have moved is
   entered too: below a touched parent where a border, the slot or the gap changed, and then along
   the edges of that child's subtree, since only the first child sees the min and the last the max.
2. The rules between parent and child (parent word, gap, range) read both; either is touched, and in
   both cases the child is entered and compared with its slot.
3. The sums (a leak, a count) are kept as differences: what the step added to both sides must be the
   same, for the sides agreed at the mark. A node is gained if it is in a tree now and was not
   before, lost if the other way round. Gained nodes are met by the walk. A lost node is touched, or
   its old parent's slot was changed, or its parent is lost as well; these are followed down.

Conversely whatever is reported is broken now, for the rules are those of the whole check, applied
to the present words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.check.addresses import AddressSet
from mmtwin.check.overlay import IS_IN, WAS_IN
from mmtwin.check.tree import TreeCheck
from mmtwin.check.violation import Violation
from mmtwin.memory.journal import Journal
from mmtwin.memory.memory import Memory

if not cython.compiled:
    from mmtwin.check.words import block_of, has, held, was_at, was_word, word_at, word_changed

TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)
NODE_MASK = declare(u64, 0xFFFFFFFFFFFFFF00)
LEAF = declare(i32, 1)
ARANGE = declare(i32, 3)
LEVELS = declare(i32, 32)
WAS = declare(u64, WAS_IN)
IS = declare(u64, IS_IN)
KIND_SHIFT = declare(i32, 8)
FLAG_RCU = declare(u64, 2)

STEP_RULES = frozenset({"MT-29", "VM-47"})
"""Judged from what a step changed: a whole check, which sees a state alone, cannot tell."""


class StepCheck(TreeCheck):
    """Checks what was touched since a mark; a whole check is its base class's."""

    def __init__(self, memory: Memory, **options: Any) -> None:
        super().__init__(memory, **options)
        self.marked = AddressSet()
        self.trees = AddressSet()
        self.old_trees = AddressSet()
        self.old_tree = 0
        self.step_mark = 0
        self.node_cache = 0

    def touched(self, mark: u64, trees: Sequence[int]) -> list[Violation]:
        """Check what changed since ``mark`` in the trees at the given addresses.

        All was well at ``mark``, and the same trees were there.
        """
        self.begin_step(mark)
        for tree in trees:
            self.trees.add(tree)
            self.old_trees.add(tree)
        self.step(trees)
        return self.found

    def begin_step(self, mark: u64) -> None:
        """Read the journal since ``mark``; no tree is known yet."""
        self.begin()
        self.partial = True
        self.gained = 0
        self.step_mark = mark
        self.overlay.load(mark)
        self.marked.clear()
        self.trees.clear()
        self.old_trees.clear()

    def step(self, trees: Sequence[int]) -> None:
        """Check the touched part of the trees and the sums over them."""
        self.locate()
        tree: u64
        for tree in trees:
            if has(self.marked, tree) or self._tree_touched(tree):
                self._part(tree)
        self._losses()
        for tree in trees:
            self.old_root(tree)
        if self.nodes is not None:
            self._leaks()
        self.unprepared()
        self.in_place()

    def _tree_touched(self, tree: u64) -> bint:
        first: u64 = (tree - self.base) >> 3
        return word_changed(self.overlay, first + (self.root_at >> 3)) or word_changed(
            self.overlay, first + (self.flags_at >> 3)
        )

    def locate(self) -> None:
        """Find the touched blocks that are or were nodes of the trees; mark their ancestors."""
        nth: u64 = 0
        overlay = self.overlay
        while nth < overlay.count:
            if overlay.caches[nth] == 0 or overlay.caches[nth] == self.node_cache:
                node: u64 = self.base + (overlay.blocks[nth] << 8)
                overlay.flags[nth] = self._climb_back(node)
                overlay.owners[nth] = self.old_tree
                if self._climb(node):
                    overlay.flags[nth] |= IS
            nth += 1

    def _climb(self, node: u64) -> bint:
        """Follow the parent words up to the root of a known tree, and mark the nodes on the way."""
        w = self.w
        above: u64 = node
        word: u64
        level: i32 = 0
        while level < LEVELS:
            word = w[(above - self.base) >> 3]
            if word & 1:
                if not has(self.trees, word - 1):
                    return False
                self._mark(node, word - 1)
                return True
            word &= NODE_MASK
            if word == above or not held(self, word):
                return False
            above = word
            level += 1
        return False

    def _mark(self, node: u64, tree: u64) -> i32:
        above: u64 = node
        self.marked.add(tree)
        while self.marked.add(above):
            if word_at(self, above) & 1:
                return 0
            above = word_at(self, above) & NODE_MASK
        return 0

    def _climb_back(self, node: u64) -> u64:
        """Was ``node`` in a tree at the mark? 0, or WAS_IN with its type in the bits above.

        Every link is confirmed from above: the parent's slot, at the mark, held the node. The
        ancestors are marked.
        """
        above: u64 = node
        kind: u64 = 0
        enode: u64
        word: u64
        level: i32 = 0
        while level < LEVELS:
            word = was_at(self, above)
            if word & 1:
                word -= 1
                if not has(self.old_trees, word):
                    return 0
                enode = was_at(self, word + self.root_at)
                if enode & NODE_MASK != above or enode & 3 != 2:
                    return 0
                if level == 0:
                    kind = (enode >> 3) & 15
                self._mark_back(node, word)
                self.old_tree = word
                return WAS | (kind << KIND_SHIFT)
            enode = self._old_slot(word & NODE_MASK, (word >> 3) & 31, above)
            if enode == 0:
                return 0
            if level == 0:
                kind = (enode >> 3) & 15
            above = word & NODE_MASK
            level += 1
        return 0

    def _old_slot(self, parent: u64, slot: u64, node: u64) -> u64:
        """What the slot of ``parent`` held at the mark, if that was ``node``; else 0."""
        if parent == node or not held(self, parent):
            return 0
        enode: u64
        if slot < 10:
            enode = was_at(self, parent + 80 + 8 * slot)
            if enode & NODE_MASK == node:
                return enode
        if slot < 16:
            enode = was_at(self, parent + 128 + 8 * slot)
            if enode & NODE_MASK == node:
                return enode
        return 0

    def _mark_back(self, node: u64, tree: u64) -> i32:
        above: u64 = node
        self.marked.add(tree)
        level: i32 = 0
        while level < LEVELS:
            self.marked.add(above)
            if was_at(self, above) & 1:
                return 0
            above = was_at(self, above) & NODE_MASK
            level += 1
        return 0

    def _part(self, tree: u64) -> None:
        """Check the touched part of one tree."""
        root: u64 = self.enter(tree)
        if root == 0:
            return
        before: u64 = self.entry_count
        moved: bint = self._tree_touched(tree)
        node: u64 = root & NODE_MASK
        kind: i32 = (root >> 3) & 15
        self.visit(node, kind, 0, TOP, moved and self._fresh(node), moved, moved)
        if kind == LEAF and self.entry_count == before and self.must_hold(kind):
            self.report("MT-15", "maple_tree", tree, "entries", "none", "an entry, or no node")

    def _step_touched(self, node: u64) -> bint:
        return has(self.marked, node)

    def _fresh(self, node: u64) -> bint:
        nth: i32 = block_of(self.overlay, (node - self.base) >> 3)
        if nth >= 0:
            fresh: bint = self.overlay.flags[nth] & WAS == 0
        else:
            fresh = self._climb_back(node) == 0
        if fresh:
            self.gained += 1
        return fresh

    # What left the trees.

    def _losses(self) -> None:
        """Count the nodes that were in a tree at the mark and are in none now."""
        overlay = self.overlay
        nth: u64 = 0
        count: u64 = overlay.count
        while nth < count:
            if overlay.flags[nth] & WAS:
                node: u64 = self.base + (overlay.blocks[nth] << 8)
                kind: i32 = (overlay.flags[nth] >> KIND_SHIFT) & 15
                gone: bint = not has(self.seen, node)
                if gone:
                    self.gained -= 1
                tree: u64 = overlay.owners[nth]
                if kind == LEAF:
                    self.old_leaf(tree, node, gone)
                else:
                    self._old_children(tree, node, kind, gone)
            nth += 1

    def old_root(self, tree: u64) -> None:
        """Follow the root that a touched tree held at the mark."""
        enode: u64 = was_at(self, tree + self.root_at)
        if enode & 3 == 2 and enode != word_at(self, tree + self.root_at):
            self._lost(tree, enode)

    def _old_children(self, tree: u64, node: u64, kind: i32, gone: bint) -> None:
        """Follow the children that this node had at the mark and whose slot it lost or changed."""
        at: u64 = ((node - self.base) >> 3) + (10 if kind == ARANGE else 16)
        end: u64 = at + (10 if kind == ARANGE else 16)
        enode: u64
        while at < end:
            enode = was_word(self.overlay, at)
            if enode & NODE_MASK != 0 and (gone or enode != self.w[at]):
                self._lost(tree, enode)
            at += 1

    def _lost(self, tree: u64, enode: u64) -> None:
        """A node lost its place. With no other, and untouched, it is gone with its subtree."""
        node: u64 = enode & NODE_MASK
        kind: i32 = (enode >> 3) & 15
        if kind < LEAF or kind > ARANGE or not held(self, node):
            return
        if block_of(self.overlay, (node - self.base) >> 3) >= 0 or not self.seen.add(node):
            return
        self.gained -= 1
        if kind == LEAF:
            self.old_leaf(tree, node, True)
        else:
            self._old_children(tree, node, kind, True)

    def old_leaf(self, tree: u64, node: u64, gone: bint) -> i32:
        """A leaf as it was at the mark, now gone or changed: a place to take its entries back."""
        return 0

    def _leaks(self) -> None:
        """What the allocator gave out in this step is what the trees gained, and RCU holds."""
        out: i64 = word_at(self, self.in_use_at) - was_at(self, self.in_use_at)
        held: i64 = self._waiting_since() if self.rcu_list != 0 else 0
        if out != self.gained + held:
            self.report(
                "MT-26",
                "kmem_cache",
                self.in_use_at,
                "in use",
                f"{out:+} nodes out in this step",
                f"{self.gained:+} reachable, {held:+} waiting for RCU",
            )

    def _waiting_since(self) -> i64:
        """How many more nodes wait for a grace period than at the mark."""
        here: i64 = self.queued(word_at(self, self.rcu_list), False)
        return here - self.queued(was_at(self, self.rcu_list), True)

    # What may not change in place.

    def in_place(self) -> None:
        """In RCU mode a reader may stand in any node: its shape does not change under it.

        A slot, a border between two entries of a leaf, gaps and parent words may; a data end may
        not, nor may a border between children (cfeb6ae8bcb9: an append in place let readers see a
        slot before its pivot).
        """
        overlay = self.overlay
        nth: u64 = 0
        while nth < overlay.count:
            if overlay.flags[nth] & WAS and self._by_readers(overlay.owners[nth]):
                node: u64 = self.base + (overlay.blocks[nth] << 8)
                if has(self.seen, node):
                    self._shape_kept(nth, node, (overlay.flags[nth] >> KIND_SHIFT) & 15)
            nth += 1

    def _by_readers(self, tree: u64) -> bint:
        """May readers walk this tree without its lock, now as at the mark?"""
        if not has(self.trees, tree):
            return False
        word: u64 = was_at(self, (tree + self.flags_at) & ~7)
        upper: bint = ((tree + self.flags_at) & 4 != 0) != self.big_endian
        old: u64 = (word >> 32) if upper else word
        return old & self.flags_of(tree) & FLAG_RCU != 0

    def _shape_kept(self, nth: u64, node: u64, kind: i32) -> None:
        w = self.w
        images = self.overlay.images
        first: u64 = (node - self.base) >> 3
        pivots: u64 = 9 if kind == ARANGE else 15
        word: u64 = 1
        while word <= pivots:
            now: u64 = w[first + word]
            was: u64 = images[32 * nth + word]
            if now != was and (kind != LEAF or (word > 1 and (now == 0 or was == 0))):
                if self._readers_left(self.overlay.owners[nth]):
                    return
                self.fail("MT-29", node, f"pivot[{word - 1}]", f"{now:#x}", f"{was:#x} as before")
                return
            word += 1

    def _readers_left(self, tree: u64) -> bint:
        """Was the tree out of RCU mode since the mark, as when exit takes one down (6.2 on) and
        exec sets another one up in its place? Then a node may have come back as another."""
        journal: Journal | None = self.memory.journal
        if journal is None:
            return False
        index: u64 = (tree + self.flags_at - self.base) >> 3
        upper: bint = ((tree + self.flags_at) & 4 != 0) != self.big_endian
        at: u64 = self.step_mark
        present: u64 = journal.present()
        while at < present:
            if journal.entry_index(at) == index:
                word: u64 = journal.entry_old(at)
                if ((word >> 32) if upper else word) & FLAG_RCU == 0:
                    return True
            at += 1
        return False
