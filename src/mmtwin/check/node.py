"""One maple node, decoded anew and held against every rule that concerns it alone.

Nothing here uses the tree's own code. The numbers are those of 64-bit nodes: 32 words, of which
word 0 is the parent; a leaf or range node has pivots in words 1 to 15 and slots in 16 to 31, an
allocation-range node pivots in 1 to 9, slots in 10 to 19, gaps in 20 to 29 and metadata in 30.
"""

from __future__ import annotations

from array import array

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.check.overlay import Words
from mmtwin.check.violation import Violation
from mmtwin.memory.memory import Memory

if not cython.compiled:
    from mmtwin.memory.held import words_of

TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)
NODE_MASK = declare(u64, 0xFFFFFFFFFFFFFF00)

LEAF = declare(i32, 1)
ARANGE = declare(i32, 3)

ZERO_ENTRY = declare(u64, 0x406)
LEVELS = 32
"""More than any tree is high (31): the length of the path from the root."""
FEWEST_LEAF = declare(i32, 6)
FEWEST_ARANGE = declare(i32, 4)
NO_GAP = declare(i32, 15)
"""What meta.gap holds in old kernels when every gap is 0."""
VIOLATIONS_MAX = 200
"""A damaged state can break rules without end; so many are told of."""


class NodeRules(Words):
    """The rules of one node, and what it says when decoded.

    ``old_metadata`` allows meta.gap 15 for "no gap" (Linux 6.1). ``edge_exempt`` allows the last
    node of a level to be short, as a bulk load leaves it (up to 6.17).

    After ``rules``: ``end`` is the last used slot; ``slot_at`` and ``pivot_at`` are the indexes of
    the words that hold slot 0 and pivot 0, ``pivots`` is the number of pivots, ``gap`` the largest
    gap of the node, ``entries`` the number of entries in a leaf.
    """

    def __init__(self, memory: Memory, old_metadata: bint, edge_exempt: bint) -> None:
        super().__init__(memory)
        self.big_endian = memory.big_endian
        self.old_metadata = old_metadata
        self.edge_exempt = edge_exempt
        self.found: list[Violation] = []
        self.held_path = [array("Q", bytes(8 * LEVELS)), array("Q", bytes(8 * LEVELS))]
        self.path_node = words_of(self.held_path[0])
        self.path_slot = words_of(self.held_path[1])
        self.depth = 0

    def path(self) -> tuple[tuple[int, int], ...]:
        """The nodes above the present one and the slots taken in them, root first."""
        return tuple((self.path_node[i], self.path_slot[i]) for i in range(self.depth))

    def fail(self, invariant: str, node: u64, field: str, found: str, expected: str) -> None:
        """Report that ``node`` breaks an invariant."""
        self.report(invariant, "maple_node", node, field, found, expected)

    def report(
        self, invariant: str, kind: str, address: u64, field: str, found: str, expected: str
    ) -> None:
        """Report that the object of that kind at ``address`` breaks an invariant."""
        if len(self.found) < VIOLATIONS_MAX:
            self.found.append(
                Violation(invariant, kind, address, field, found, expected, self.path())
            )

    # Decoding.

    def data_end(self, kind: i32, last_pivot: u64, metadata: u64, most: u64) -> i32:
        """The last used slot of a node that ends at ``most``, by the kernel's own rule.

        ``last_pivot`` is pivot 14 of a leaf or range node, ``metadata`` the metadata word: word 31,
        or 30 of an allocation-range node (ma_data_end).
        """
        if kind == ARANGE or last_pivot == 0:
            return self._meta(metadata, 0)
        return 14 if last_pivot == most else 15

    def _shape(self, first: u64, kind: i32) -> None:
        """Where a node of this type has its pivots and slots; ``first`` is its word 0."""
        self.pivot_at = first + 1
        self.slot_at = first + (10 if kind == ARANGE else 16)
        self.pivots = 9 if kind == ARANGE else 15

    def _meta(self, word: u64, nth: i32) -> i32:
        """Byte ``nth`` of a metadata word: 0 is the data end, 1 the slot with the largest gap."""
        if self.big_endian:
            return (word >> (56 - 8 * nth)) & 0xFF
        return (word >> (8 * nth)) & 0xFF

    def _meta_word(self, end: u64, gap: u64) -> u64:
        """The metadata word that says ``end`` and ``gap`` and nothing else."""
        if self.big_endian:
            return (end << 56) | (gap << 48)
        return end | (gap << 8)

    # The rules.

    def rules(self, node: u64, kind: i32, least: u64, most: u64, is_root: bint) -> i32:
        """Hold the node against the rules; it covers ``least..most`` (inclusive)."""
        w = self.w
        first: u64 = (node - self.base) >> 3
        self._shape(first, kind)
        self.end = self.data_end(
            kind, w[first + 15], w[first + (30 if kind == ARANGE else 31)], most
        )
        last: i32 = self._limits(node, first, least, most)
        if last != self.end:
            self.fail("MT-08", node, "end", f"{self.end}", f"{last}, whose range ends at the max")
            self.end = last
        self._behind(node, first, kind)
        if kind == LEAF:
            self._leaf(node, least, most)
        else:
            self._inner(node, kind)
        if is_root:
            if kind != LEAF and last < 1:
                self.fail("MT-12", node, "end", f"{last}", "at least 1 in an inner root")
        elif last < (FEWEST_ARANGE if kind == ARANGE else FEWEST_LEAF) and (
            most != TOP or not self.edge_exempt
        ):
            fewest = FEWEST_ARANGE if kind == ARANGE else FEWEST_LEAF
            self.fail("MT-11", node, "end", f"{last}", f"at least {fewest}")
        return 0

    def _limits(self, node: u64, first: u64, least: u64, most: u64) -> i32:
        """The slot whose range ends at ``most``, found along the pivots, which are checked."""
        w = self.w
        i: i32 = 0
        before: u64 = least
        pivot: u64
        while i < self.pivots:
            pivot = w[self.pivot_at + i]
            if pivot == most:
                if i > 0 and pivot <= before:
                    self._order(node, i, pivot, before)
                return i
            if pivot == 0 and i > 0:
                if self.end == i - 1:
                    self.fail(
                        "MT-16",
                        node,
                        f"pivot[{i - 1}]",
                        f"{before:#x}",
                        f"{most:#x}: the data ends before the node's range does",
                    )
                    return self.end
                self.fail("MT-07", node, f"pivot[{i}]", "0", f"the node's max {most:#x}")
                return i
            if pivot > most:
                self.fail("MT-07", node, f"pivot[{i}]", f"{pivot:#x}", f"at most {most:#x}")
                return i
            if pivot < before or (i > 0 and pivot == before):
                self._order(node, i, pivot, before)
            before = pivot
            i += 1
        return i

    def _order(self, node: u64, i: i32, pivot: u64, before: u64) -> None:
        what = f"more than pivot[{i - 1}] {before:#x}" if i > 0 else f"at least the min {before:#x}"
        self.fail("MT-07", node, f"pivot[{i}]", f"{pivot:#x}", what)

    def _behind(self, node: u64, first: u64, kind: i32) -> i32:
        """After the data end there is nothing but the metadata."""
        w = self.w
        end: i32 = self.end
        i: i32 = end + 1
        while i < self.pivots:
            if w[self.pivot_at + i] != 0:
                self.fail("MT-09", node, f"pivot[{i}]", f"{w[self.pivot_at + i]:#x}", "0")
            i += 1
        i = end + 1
        while i < (10 if kind == ARANGE else 15):
            if w[self.slot_at + i] != 0:
                self.fail("MT-09", node, f"slot[{i}]", f"{w[self.slot_at + i]:#x}", "0")
            i += 1
        if kind != ARANGE:
            if end < 15 and w[first + 31] != self._meta_word(self._meta(w[first + 31], 0), 0):
                self.fail("MT-09", node, "metadata", f"{w[first + 31]:#x}", "nothing but the end")
            elif end == 14 and self._meta(w[first + 31], 0) != 14:
                self.fail("MT-09", node, "metadata", f"{w[first + 31]:#x}", "end 14")
            return 0
        i = end + 1
        while i < 10:
            if w[first + 20 + i] != 0:
                self.fail("MT-09", node, f"gap[{i}]", f"{w[first + 20 + i]:#x}", "0")
            i += 1
        meta: u64 = w[first + 30]
        if meta != self._meta_word(self._meta(meta, 0), self._meta(meta, 1)):
            self.fail("MT-09", node, "metadata", f"{meta:#x}", "nothing but end and gap")
        return 0

    def _leaf(self, node: u64, least: u64, most: u64) -> i32:
        """Entries, NULLs and the gap of a leaf."""
        w = self.w
        gap: u64 = 0
        entries: i32 = 0
        was_null: bint = False
        low: u64 = least
        high: u64
        entry: u64
        i: i32 = 0
        while i <= self.end:
            high = w[self.pivot_at + i] if i < self.end else most
            entry = w[self.slot_at + i]
            if entry == 0:
                if was_null:
                    self.fail("MT-13", node, f"slot[{i}]", "NULL after NULL", "one NULL range")
                if high >= low and (high - low >= gap):
                    gap = high - low + 1 if high - low != TOP else TOP
                was_null = True
            else:
                if entry & 3 == 2 and entry != ZERO_ENTRY:
                    self.fail("MT-17", node, f"slot[{i}]", f"{entry:#x}", "no internal entry")
                entries += 1
                was_null = False
            low = high + 1 if high != TOP else TOP
            i += 1
        if was_null and most != TOP:
            self.fail(
                "MT-14",
                node,
                f"slot[{self.end}]",
                "NULL",
                "an entry: only the last leaf ends in NULL",
            )
        self.gap = gap
        self.entries = entries
        return 0

    def _inner(self, node: u64, kind: i32) -> i32:
        """The gaps of an inner node; its children are the walk's business."""
        self.entries = 0
        self.gap = 0
        if kind != ARANGE:
            return 0
        w = self.w
        first: u64 = (node - self.base) >> 3
        gap: u64 = 0
        i: i32 = 0
        while i <= self.end:
            if w[first + 20 + i] > gap:
                gap = w[first + 20 + i]
            i += 1
        self.gap = gap
        at: i32 = self._meta(w[first + 30], 1)
        if at == NO_GAP and gap == 0 and self.old_metadata:
            return 0
        if at > self.end:
            self.fail("MT-19", node, "meta.gap", f"{at}", f"at most the end {self.end}")
        elif w[first + 20 + at] != gap:
            self.fail(
                "MT-19",
                node,
                "meta.gap",
                f"{at}, whose gap is {w[first + 20 + at]:#x}",
                f"a slot with the largest gap {gap:#x}",
            )
        return 0

    def parent(self, node: u64, above: u64, slot: i32) -> i32:
        """The parent word: ``above`` is the parent node and ``slot`` the slot in it.

        For the root ``above`` is the tree's address and ``slot`` is -1.
        """
        word: u64 = self.w[(node - self.base) >> 3]
        if word & NODE_MASK == node:
            self.fail("MT-05", node, "parent", f"{word:#x}: dead", "a reachable node is alive")
            return 0
        expected: u64 = above | 1
        if slot >= 0:
            expected = above | (slot << 3) | 6
        if word != expected:
            self.fail("MT-04", node, "parent", f"{word:#x}", f"{expected:#x}")
        return 0
