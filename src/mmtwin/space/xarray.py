"""The xarray: the kernel's map from an index to a word, here of an inode's pages.

A tree of ``struct xa_node`` with 64 slots each. The head is a word: 0 if empty, the entry of
index 0 alone, or a node (address with binary 10 in its low bits). An entry is an aligned pointer
or a value ``v`` as ``v << 1 | 1``. An entry may stand for 2^order aligned indexes: it lies in the
first of its slots, and in the others lie siblings, which tell where that is.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.memory.allocator import Allocator
from mmtwin.memory.memory import Memory

if not cython.compiled:
    from mmtwin.pages.words import load, store
    from mmtwin.space.parts import load8, store8

NODE_SIZE = 576
"""sizeof(struct xa_node) on 64-bit."""
NODE_BYTES = declare(u64, NODE_SIZE)
SHIFT_AT = declare(u64, 0)
OFFSET_AT = declare(u64, 1)
COUNT_AT = declare(u64, 2)
VALUES_AT = declare(u64, 3)
PARENT_AT = declare(u64, 8)
SLOTS_AT = declare(u64, 40)
NODE_BITS = declare(u64, 2)
SIBLING_MOST = declare(u64, 63 << 2 | 2)
"""A sibling is the slot of its entry, moved up by two bits that are binary 10."""
SLOTS = declare(u64, 64)
TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)


def is_node(entry: u64) -> bint:
    """Does the entry lead to a node?"""
    return entry & 3 == NODE_BITS and entry > 4096


def is_sibling(entry: u64) -> bint:
    """Does it tell only where the entry of its slot lies?"""
    return entry & 3 == NODE_BITS and entry <= SIBLING_MOST


class XArray:
    """Loads, stores and walks; ``head`` is the address of the ``xa_head`` word."""

    def __init__(self, memory: Memory, nodes: Allocator) -> None:
        self.memory = memory
        self.nodes = nodes

    def load(self, head: u64, index: u64) -> u64:
        """The entry at ``index``, 0 for none."""
        memory: Memory = self.memory
        entry: u64 = load(memory, head)
        if not is_node(entry):
            return entry if index == 0 else 0
        node: u64 = entry - NODE_BITS
        shift: i32 = load8(memory, node + SHIFT_AT)
        if shift + 6 < 64 and index >> (shift + 6) != 0:
            return 0
        while True:
            entry = load(memory, node + SLOTS_AT + 8 * ((index >> shift) & 63))
            if shift == 0:
                return entry
            if not is_node(entry):
                if is_sibling(entry):
                    entry = load(memory, node + SLOTS_AT + 8 * (entry >> 2))
                return entry
            node = entry - NODE_BITS
            shift -= 6

    def store(self, head: u64, index: u64, entry: u64) -> bint:
        """Make the entry at ``index`` ``entry``, which is not 0; False without memory.

        What stood there before stood for this one index.
        """
        memory: Memory = self.memory
        if index == 0 and not is_node(load(memory, head)):
            store(memory, head, entry)
            return True
        node: u64 = self._node_for(head, index, index, 0)
        if node == 0:
            return False
        at: u64 = node + SLOTS_AT + 8 * (index & 63)
        old: u64 = load(memory, at)
        store(memory, at, entry)
        if old == 0:
            self._count(node, 1)
        self._count_values(node, (entry & 1) - (old & 1))
        return True

    def store_order(self, head: u64, index: u64, order: i32, entry: u64) -> bint:
        """Make ``entry``, a pointer, that of all 2^``order`` indexes from ``index`` on.

        ``order`` is no multiple of 6, ``index`` one of 2^``order``. What stood there goes. False
        without memory.
        """
        memory: Memory = self.memory
        one: u64 = 1
        level: i32 = order - order % 6
        node: u64 = self._node_for(head, index, index + (one << order) - 1, level)
        if node == 0:
            return False
        first: u64 = (index >> level) & 63
        nth: u64 = first
        while nth < first + (one << (order % 6)):
            at: u64 = node + SLOTS_AT + 8 * nth
            old: u64 = load(memory, at)
            if old == 0:
                self._count(node, 1)
            elif is_node(old):
                self._free_below(old - NODE_BITS)
            store(memory, at, entry if nth == first else first << 2 | NODE_BITS)
            nth += 1
        return True

    def split(self, head: u64, index: u64, order: i32, entry: u64, step: u64) -> bint:
        """Let each of the 2^``order`` indexes from ``index`` on have an entry of its own: the one
        they share is ``entry``, then each is ``step`` more than the last. False without memory.

        ``order`` is more than 6.
        """
        memory: Memory = self.memory
        one: u64 = 1
        level: i32 = order - order % 6
        upper: u64 = self._node_for(head, index, index + (one << order) - 1, level)
        first: u64 = (index >> level) & 63
        last: u64 = first + (one << (order % 6)) - 1
        fresh: list[u64] = []
        nth: u64 = first
        while nth <= last:
            node: u64 = self._new_node(level - 6, nth, upper)
            if node == 0:
                for spare in fresh:
                    self.nodes.free(spare)
                return False
            fresh.append(node)
            nth += 1
        nth = first
        while nth <= last:
            node = fresh[nth - first]
            slot: u64 = 0
            while slot < SLOTS:
                store(memory, node + SLOTS_AT + 8 * slot, entry)
                entry += step
                slot += 1
            self._count(node, SLOTS)
            store(memory, upper + SLOTS_AT + 8 * nth, node + NODE_BITS)
            nth += 1
        return True

    def erase(self, head: u64, index: u64) -> u64:
        """Take the entry at ``index`` away; what it was. Nodes left empty go."""
        memory: Memory = self.memory
        entry: u64 = load(memory, head)
        if not is_node(entry):
            if index != 0:
                return 0
            store(memory, head, 0)
            return entry
        node: u64 = entry - NODE_BITS
        shift: i32 = load8(memory, node + SHIFT_AT)
        if shift + 6 < 64 and index >> (shift + 6) != 0:
            return 0
        at: u64 = node + SLOTS_AT + 8 * ((index >> shift) & 63)
        while shift > 0:
            entry = load(memory, at)
            if entry == 0:
                return 0
            if not is_node(entry):
                return self._erase_order(head, node, (index >> shift) & 63)
            node = entry - NODE_BITS
            shift -= 6
            at = node + SLOTS_AT + 8 * ((index >> shift) & 63)
        entry = load(memory, at)
        if entry != 0:
            store(memory, at, 0)
            self._count(node, -1)
            if entry & 1 != 0:
                self._count_values(node, -1)
            self._prune(head, node)
        return entry

    def _erase_order(self, head: u64, node: u64, slot: u64) -> u64:
        """Take the entry of ``slot`` away with its siblings; what it was."""
        memory: Memory = self.memory
        entry: u64 = load(memory, node + SLOTS_AT + 8 * slot)
        if is_sibling(entry):
            slot = entry >> 2
            entry = load(memory, node + SLOTS_AT + 8 * slot)
        sibling: u64 = slot << 2 | NODE_BITS
        store(memory, node + SLOTS_AT + 8 * slot, 0)
        self._count(node, -1)
        slot += 1
        while slot < SLOTS and load(memory, node + SLOTS_AT + 8 * slot) == sibling:
            store(memory, node + SLOTS_AT + 8 * slot, 0)
            self._count(node, -1)
            slot += 1
        self._prune(head, node)
        return entry

    def find(self, head: u64, index: u64, most: u64) -> u64:
        """The first index from ``index`` to ``most`` (inclusive) with an entry; 2^64 - 1 if none.

        The last index of all is never found: nothing is stored there.
        """
        memory: Memory = self.memory
        entry: u64 = load(memory, head)
        if not is_node(entry):
            return 0 if entry != 0 and index == 0 else TOP
        while index <= most:
            node: u64 = entry - NODE_BITS
            shift: i32 = load8(memory, node + SHIFT_AT)
            if shift + 6 < 64 and index >> (shift + 6) != 0:
                return TOP
            found: u64 = load(memory, node + SLOTS_AT + 8 * ((index >> shift) & 63))
            while shift > 0 and is_node(found):
                shift -= 6
                found = load(memory, found - NODE_BITS + SLOTS_AT + 8 * ((index >> shift) & 63))
            if found != 0:
                return index
            one: u64 = 1
            step: u64 = one << shift
            past: u64 = (index & ~(step - 1)) + step
            if past <= index:
                return TOP
            index = past
        return TOP

    def _new_node(self, shift: i32, offset: u64, parent: u64) -> u64:
        node: u64 = self.nodes.alloc(GFP_KERNEL)
        if node != 0:
            self.memory.zero(node, NODE_BYTES)
            store8(self.memory, node + SHIFT_AT, shift)
            store8(self.memory, node + OFFSET_AT, offset)
            store(self.memory, node + PARENT_AT, parent)
        return node

    def _node_for(self, head: u64, index: u64, last: u64, level: i32) -> u64:
        """The node whose slots stand for 2^``level`` indexes each, that ``index`` has one in; made
        where it is missing, in a tree that holds ``last`` too. 0 without memory."""
        memory: Memory = self.memory
        if not self._reach(head, last):
            return 0
        node: u64 = load(memory, head) - NODE_BITS
        shift: i32 = load8(memory, node + SHIFT_AT)
        while shift > level:
            at: u64 = node + SLOTS_AT + 8 * ((index >> shift) & 63)
            found: u64 = load(memory, at)
            if found == 0:
                found = self._new_node(shift - 6, (index >> shift) & 63, node)
                if found == 0:
                    self._prune(head, node)
                    return 0
                store(memory, at, found + NODE_BITS)
                self._count(node, 1)
                node = found
            else:
                node = found - NODE_BITS
            shift -= 6
        return node

    def _free_below(self, node: u64) -> None:
        """Free a node and those that it leads to."""
        slot: u64 = 0
        while slot < SLOTS:
            entry: u64 = load(self.memory, node + SLOTS_AT + 8 * slot)
            if is_node(entry):
                self._free_below(entry - NODE_BITS)
            slot += 1
        self.nodes.free(node)

    def _reach(self, head: u64, index: u64) -> bint:
        """Make the tree high enough for ``index``; False without memory."""
        memory: Memory = self.memory
        while True:
            entry: u64 = load(memory, head)
            shift: i32 = -6
            if is_node(entry):
                shift = load8(memory, entry - NODE_BITS + SHIFT_AT)
                if shift + 6 >= 64 or index >> (shift + 6) == 0:
                    return True
            shift += 6
            while entry == 0 and shift + 6 < 64 and index >> (shift + 6) != 0:
                shift += 6
            node: u64 = self._new_node(shift, 0, 0)
            if node == 0:
                if is_node(entry):
                    self._shrink(head)
                return False
            if entry != 0:
                store(memory, node + SLOTS_AT, entry)
                self._count(node, 1)
                if is_node(entry):
                    store(memory, entry - NODE_BITS + PARENT_AT, node)
                else:
                    self._count_values(node, entry & 1)
            store(memory, head, node + NODE_BITS)

    def _count(self, node: u64, change: i32) -> None:
        store8(self.memory, node + COUNT_AT, load8(self.memory, node + COUNT_AT) + change)

    def _count_values(self, node: u64, change: i32) -> None:
        if change != 0:
            store8(self.memory, node + VALUES_AT, load8(self.memory, node + VALUES_AT) + change)

    def _prune(self, head: u64, node: u64) -> None:
        """Free ``node`` if it is empty, and parents that this empties; then lower the tree."""
        memory: Memory = self.memory
        while load8(memory, node + COUNT_AT) == 0:
            parent: u64 = load(memory, node + PARENT_AT)
            offset: u64 = load8(memory, node + OFFSET_AT)
            self.nodes.free(node)
            if parent == 0:
                store(memory, head, 0)
                return
            store(memory, parent + SLOTS_AT + 8 * offset, 0)
            self._count(parent, -1)
            node = parent
        self._shrink(head)

    def _shrink(self, head: u64) -> None:
        """Lower a tree whose head node has nothing but slot 0."""
        memory: Memory = self.memory
        while True:
            entry: u64 = load(memory, head)
            if not is_node(entry):
                return
            node: u64 = entry - NODE_BITS
            only: u64 = load(memory, node + SLOTS_AT)
            if load8(memory, node + COUNT_AT) != 1 or only == 0:
                return
            if not is_node(only) and load8(memory, node + SHIFT_AT) != 0:
                return
            store(memory, head, only)
            if is_node(only):
                store(memory, only - NODE_BITS + PARENT_AT, 0)
            self.nodes.free(node)
