"""Look-ups of the checker's own: which entry a tree has for an index, now and at the mark."""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.check.step import StepCheck

if not cython.compiled:
    from mmtwin.check.words import block_of, held, word_then

TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)
NODE_MASK = declare(u64, 0xFFFFFFFFFFFFFF00)
LEAF = declare(i32, 1)
ARANGE = declare(i32, 3)
LEVELS = declare(i32, 32)


class Lookup(StepCheck):
    """Finds entries without trusting the tree: bounded, and silent where it is damaged.

    After ``find``, ``found_first`` and ``found_last`` are the range (inclusive) of the slot found.
    """

    def find(self, tree: u64, index: u64, old: bint) -> u64:
        """The entry for ``index``; with ``old`` the one that the tree had at the mark.

        0 for NULL, and where the tree leads nowhere.
        """
        source = self.w
        overlay = self.overlay
        self.found_first = 0
        self.found_last = TOP
        root: u64 = word_then(self, tree + self.root_at, old)
        if root & 3 != 2:
            return root if index == 0 else 0
        enode: u64 = root & ~3
        level: i32 = 0
        while level < LEVELS:
            node: u64 = enode & NODE_MASK
            kind: i32 = (enode >> 3) & 15
            if kind < LEAF or kind > ARANGE or not held(self, node):
                return 0
            first: u64 = (node - self.base) >> 3
            source = self.w
            if old:
                nth: i32 = block_of(overlay, first)
                if nth >= 0:
                    source = overlay.images  # type: ignore[assignment]
                    first = 32 * nth
            pivots: i32 = 9 if kind == ARANGE else 15
            slot: i32 = 0
            pivot: u64 = 0
            while slot < pivots:
                pivot = source[first + 1 + slot]
                if pivot >= index or (pivot == 0 and slot > 0):
                    break
                slot += 1
            if slot < pivots and pivot >= index:
                self.found_last = pivot
            if slot > 0:
                self.found_first = source[first + slot] + 1
            enode = source[first + (10 if kind == ARANGE else 16) + slot]
            if kind == LEAF:
                return enode
            level += 1
        return 0
