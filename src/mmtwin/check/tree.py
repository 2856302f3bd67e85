"""The whole tree: every node once, from the root, whatever the pointers say.

The walk takes nothing on trust. Each child is entered with the range that its parent's pivots give
it; a pointer out of memory, of a wrong type, to a node already seen or below the tree's height is
reported and not followed. So the walk ends on any content of memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.check.addresses import AddressSet
from mmtwin.check.node import NodeRules
from mmtwin.check.violation import Violation
from mmtwin.memory.allocator import Arena
from mmtwin.memory.memory import Memory

if not cython.compiled:
    from mmtwin.check.words import block_of, held, word_at, word_then

TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)
NODE_MASK = declare(u64, 0xFFFFFFFFFFFFFF00)
LEAF = declare(i32, 1)
RANGE = declare(i32, 2)
ARANGE = declare(i32, 3)
HEIGHT_MAX = declare(i32, 31)
HALF = declare(u64, 0xFFFFFFFF)

FLAG_ALLOC_RANGE = declare(u64, 1)
FLAGS_KNOWN = declare(u64, 0xB7F)
"""ALLOC_RANGE, USE_RCU, height, lock kind, ALLOC_WRAPPED."""
FREE_WALK = declare(u64, 2)
"""What a dead subtree's rcu_head says is to be done with it."""
IN_USE = declare(u64, 24)
"""Where an arena's control words keep the number of objects that are out."""


class TreeCheck(NodeRules):
    """Checks whole maple trees.

    ``root_at`` and ``flags_at`` are the byte offsets of ma_root and ma_flags in struct maple_tree
    (8 and 16 up to 6.11, 8 and 4 since). ``nodes`` is the allocator that all the trees' nodes come
    from; without one nothing is said of leaks. ``rcu_list`` is the address of the head and tail of
    the list of nodes that wait for a grace period, ``unprepared`` that of the word that counts
    nodes asked for by stores that should have had them set aside; 0 if there is none.

    After a check ``node_count`` and ``entry_count`` say how many nodes were visited and how many
    entries their leaves held.
    """

    def __init__(
        self,
        memory: Memory,
        *,
        nodes: Arena | None = None,
        rcu_list: u64 = 0,
        unprepared: u64 = 0,
        root_at: i32 = 8,
        flags_at: i32 = 16,
        old_metadata: bint = True,
        edge_exempt: bint = False,
    ) -> None:
        super().__init__(memory, old_metadata, edge_exempt)
        self.nodes = nodes
        self.in_use_at = nodes.control + IN_USE if nodes is not None else 0
        self.rcu_list = rcu_list
        self.unprepared_at = unprepared
        self.root_at = root_at
        self.flags_at = flags_at
        self.seen = AddressSet()
        self.partial = False
        self.tree = 0
        self.height = 0
        self.leaf_depth = 0
        self.inner = RANGE
        self.node_count = 0
        self.entry_count = 0
        self.gained = 0

    def full(self, trees: Sequence[int]) -> list[Violation]:
        """Check every node of every tree at the given addresses, and that no node is lost."""
        self.begin()
        for tree in trees:
            self.whole(tree)
        self.node_sum()
        self.unprepared()
        return self.found

    def node_sum(self) -> None:
        """Every node that the allocator gave out is in a tree or waits for a grace period."""
        if self.nodes is None:
            return
        out: u64 = word_at(self, self.in_use_at)
        waiting: u64 = self.queued(word_at(self, self.rcu_list), False) if self.rcu_list != 0 else 0
        if out != self.node_count + waiting:
            self.report(
                "MT-26",
                "kmem_cache",
                self.in_use_at,
                "in use",
                f"{out} nodes out",
                f"{self.node_count} reachable + {waiting} waiting for RCU",
            )

    def unprepared(self) -> None:
        """No store that must not fail ever asked for nodes (mas_store_prealloc)."""
        if self.unprepared_at != 0 and word_at(self, self.unprepared_at) != 0:
            self.report(
                "MT-27",
                "maple_tree",
                self.unprepared_at,
                "nodes set aside",
                f"{word_at(self, self.unprepared_at)} asked for in a store",
                "one preallocation for each store",
            )

    def queued(self, node: u64, old: bint) -> u64:
        """How many nodes wait from ``node`` to the end of the RCU list, now or at the mark.

        A dead subtree is in the list once; its nodes say themselves what hangs below them.
        """
        nodes: u64 = 0
        entries: u64 = 0
        limit: u64 = word_then(self, self.in_use_at, old)
        while node != 0 and entries < limit and held(self, node):
            if not old and word_at(self, node) != node:
                self.fail(
                    "MT-31", node, "parent", f"{word_at(self, node):#x}", "its own address: dead"
                )
            if word_then(self, node + 16, old) == FREE_WALK:
                nodes += self._buried(node, 0, old)
            else:
                nodes += 1
            entries += 1
            node = word_then(self, node + 8, old)
        return nodes

    def _buried(self, node: u64, level: i32, old: bint) -> u64:
        """How many nodes a dead subtree has."""
        if level == HEIGHT_MAX or not held(self, node):
            return 0
        nodes: u64 = 1
        word: u64 = word_then(self, node + 32, old)
        kind: u64 = (word & HALF) if self.big_endian else (word >> 32)
        if kind == LEAF:
            return nodes
        word = word_then(self, node + 40, old)
        count: u64 = (word >> 56) if self.big_endian else (word & 0xFF)
        slots: u64 = node + (80 if kind == ARANGE else 128)
        nth: u64 = 0
        while nth < count and nth < 16:
            nodes += self._buried(word_then(self, slots + 8 * nth, old) & NODE_MASK, level + 1, old)
            nth += 1
        return nodes

    def begin(self) -> None:
        """Start a new check: nothing found, nothing seen."""
        self.found = []
        self.depth = 0
        self.seen.clear()
        self.partial = False
        self.node_count = 0
        self.entry_count = 0

    def flags_of(self, tree: u64) -> u64:
        """The tree's ma_flags, a 32-bit field."""
        return self.memory.load32(tree + self.flags_at)

    def whole(self, tree: u64) -> None:
        """Check one tree from its root down."""
        before: u64 = self.entry_count
        root: u64 = self.enter(tree)
        if root == 0:
            return
        kind: i32 = (root >> 3) & 15
        self.visit(root & NODE_MASK, kind, 0, TOP, True, True, True)
        if self.entry_count == before and self.must_hold(kind):
            self.report("MT-15", "maple_tree", tree, "entries", "none", "an entry, or no node")

    def must_hold(self, kind: i32) -> bint:
        """Whether a tree with a root of this kind must hold an entry: from 6.6 on an entry over
        everything that is erased leaves its leaf, for an exact fit is seen before a new root."""
        return self.old_metadata or kind != LEAF

    def enter(self, tree: u64) -> u64:
        """Check a tree's root word and flags; the root if it is a node to visit, else 0."""
        self.tree = tree
        self.depth = 0
        self.leaf_depth = 0
        root: u64 = word_at(self, tree + self.root_at)
        flags: u64 = self.flags_of(tree)
        self.height = (flags >> 2) & HEIGHT_MAX
        self.inner = ARANGE if flags & FLAG_ALLOC_RANGE else RANGE
        if flags & ~FLAGS_KNOWN != 0:
            self.report(
                "MT-02", "maple_tree", tree, "ma_flags", f"{flags:#x}", f"bits of {FLAGS_KNOWN:#x}"
            )
        if root & 3 != 2:
            if root != 0:
                self.direct(tree, root)
            if self.height != 0:
                self.report("MT-02", "maple_tree", tree, "height", f"{self.height}", "0: no node")
            return 0
        bits: i32 = root & 0xFF
        legal: i32 = 0x0E if self.height <= 1 else (self.inner << 3) | 6
        if bits != legal or not held(self, root & NODE_MASK):
            self.report(
                "MT-01", "maple_tree", tree, "ma_root", f"{root:#x}", f"a node with bits {legal:#x}"
            )
            if bits not in (0x0E, 0x16, 0x1E) or not held(self, root & NODE_MASK):
                return 0
        return root

    def direct(self, tree: u64, entry: u64) -> None:
        """The tree is one entry at index 0."""
        self.entry_count += 1

    def visit(
        self, node: u64, kind: i32, least: u64, most: u64, fresh: bint, low: bint, high: bint
    ) -> i32:
        """Check a node that covers ``least..most`` (inclusive) and what hangs below it.

        In a partial check only those children are entered that the step can have touched:
        ``fresh`` says that the node itself is new in the tree, ``low`` and ``high`` that its min
        or max may have moved. Leaves the node's largest gap in ``gap``.
        """
        if not self.seen.add(node):
            self.fail("MT-06", node, "node", "reached again", "reached once")
            return 0
        self.node_count += 1
        depth: i32 = self.depth
        if depth == 0:
            self.parent(node, self.tree, -1)
        else:
            self.parent(node, self.path_node[depth - 1], self.path_slot[depth - 1])
        if kind == LEAF:
            self._leaf_depth(node)
        elif depth + 1 >= self.height:
            self.fail("MT-03", node, "type", f"inner at depth {depth}", "a leaf at the bottom")
            return 0
        self.rules(node, kind, least, most, depth == 0)
        end: i32 = self.end
        gap: u64 = self.gap
        if kind == LEAF:
            self.entry_count += self.entries
            self.leaf(node, end, least, most, fresh)
        else:
            self._children(node, kind, end, least, most, fresh, low, high)
        self.gap = gap
        return 0

    def _leaf_depth(self, node: u64) -> None:
        depth: i32 = self.depth + 1
        if self.leaf_depth == 0:
            self.leaf_depth = depth
            if depth != self.height:
                self.report(
                    "MT-02", "maple_tree", self.tree, "height", f"{self.height}", f"{depth}"
                )
        elif depth != self.leaf_depth:
            self.fail("MT-03", node, "type", f"leaf at depth {depth}", f"all at {self.leaf_depth}")

    def _children(
        self,
        node: u64,
        kind: i32,
        end: i32,
        least: u64,
        most: u64,
        fresh: bint,
        low: bint,
        high: bint,
    ) -> i32:
        w = self.w
        first: u64 = (node - self.base) >> 3
        slot_at: u64 = first + (10 if kind == ARANGE else 16)
        image: i32 = block_of(self.overlay, first) if self.partial else -1
        depth: i32 = self.depth
        self.path_node[depth] = node
        self.path_slot[depth] = 0
        first_index: u64 = least
        last_index: u64
        child: u64
        i: i32 = 0
        while i <= end:
            last_index = w[first + 1 + i] if i < end else most
            child = w[slot_at + i]
            moved: bint = not self.partial or fresh or (i == 0 and low) or (i == end and high)
            if not moved and image >= 0:
                moved = self._moved(image, first, kind, i)
            if child == 0:
                self.fail("MT-10", node, f"slot[{i}]", "NULL", "a child")
            elif moved or self._step_touched(child & NODE_MASK):
                self.path_slot[depth] = i
                if self._legal(node, i, child) and first_index <= last_index:
                    self._child(node, kind, i, child, first_index, last_index, moved)
            first_index = last_index + 1 if last_index != TOP else TOP
            i += 1
        return 0

    def _legal(self, node: u64, i: i32, child: u64) -> bint:
        """Does slot ``i`` hold a pointer to a node that can be there?"""
        bits: i32 = child & 0xFF
        if (bits == 0x0C or bits == (self.inner << 3) | 4) and held(self, child & NODE_MASK):
            return True
        self.fail("MT-03", node, f"slot[{i}]", f"{child:#x}", "a leaf or an inner node")
        return False

    def _child(
        self, node: u64, kind: i32, i: i32, child: u64, least: u64, most: u64, moved: bint
    ) -> i32:
        """Check the child in slot ``i``, then its gap against the one that the slot tells."""
        below: u64 = child & NODE_MASK
        before: i32 = len(self.found)
        self.depth += 1
        fresh: bint = self.partial and moved and self._fresh(below)
        self.visit(below, (child >> 3) & 15, least, most, fresh, moved, moved)
        self.depth -= 1
        if kind != ARANGE or len(self.found) != before:
            return 0
        gap: u64 = self.w[((node - self.base) >> 3) + 20 + i]
        if gap != self.gap:
            self.fail("MT-18", node, f"gap[{i}]", f"{gap:#x}", f"{self.gap:#x}, its child's")
        return 0

    def _moved(self, image: i32, first: u64, kind: i32, i: i32) -> bint:
        """Did the step change the slot, the gap, or a border of child ``i``?"""
        w = self.w
        old = self.overlay.images
        at: u64 = image * 32
        slot: i32 = (10 if kind == ARANGE else 16) + i
        if old[at + slot] != w[first + slot]:
            return True
        if kind == ARANGE and old[at + 20 + i] != w[first + 20 + i]:
            return True
        if i > 0 and old[at + i] != w[first + i]:
            return True
        pivots: i32 = 9 if kind == ARANGE else 15
        return i < pivots and old[at + 1 + i] != w[first + 1 + i]

    def _step_touched(self, node: u64) -> bint:
        """Must a partial check enter this node, or pass through it?"""
        return not self.partial

    def _fresh(self, node: u64) -> bint:
        """Is this node of the tree one that was not in a tree before the step?"""
        return False

    def leaf(self, node: u64, end: i32, least: u64, most: u64, fresh: bint) -> i32:
        """A leaf whose own rules are checked, with its last used slot: a place for its entries."""
        return 0
