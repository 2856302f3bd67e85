"""One of the twin's trees as the words that `dump.Dump` reads."""

from __future__ import annotations

from array import array

from cython import declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.maple.nodes import Nodes

LEAF = declare(i32, 1)
ROOM = declare(i32, 4096)
"""Words there is room for at first."""
HEADER = declare(i32, 3)


class Image:
    """Writes the image of trees of one engine."""

    def __init__(self, engine: Nodes) -> None:
        self.engine = engine
        self.node_words = 256 // engine.W
        self.words = array("Q", bytes(8 * ROOM))
        self.out = self.words
        self.nodes = 0

    def of(self, tree: u64) -> array[int]:
        """The words of the tree at address ``tree``."""
        engine: Nodes = self.engine
        root: u64 = engine.root(tree)
        self.nodes = 0
        if root & 3 == 2 and root > 4096:
            self.add_node(root & ~2, engine.max_index, 0)
            self.out[HEADER + 1] &= 7
            root &= 255
        self.out[0] = root
        self.out[1] = engine.flags(tree)
        self.out[2] = self.nodes
        return self.words[: HEADER + self.nodes * (1 + self.node_words)]

    def add_node(self, enode: u64, highest: u64, parent: u64) -> None:
        """Append a node that ends at ``highest`` (inclusive), and all below it.

        The first slot lies behind the parent word and a pivot for each slot but the last.
        """
        engine: Nodes = self.engine
        node: u64 = enode & ~255
        kind: i32 = engine.node_type(enode)
        end: i32 = engine.ma_data_end(node, kind, highest)
        number: u64 = self.nodes + 1
        at: i32 = HEADER + self.nodes * (1 + self.node_words)
        self.nodes += 1
        if at + 1 + self.node_words > len(self.words):
            self.words = self.words * 2
            self.out = self.words
        self.out[at] = end
        at += 1
        word: i32 = 0
        while word < self.node_words:
            if engine.W == 8:
                self.out[at + word] = engine.memory.load(node + 8 * word)
            else:
                self.out[at + word] = engine.memory.load32(node + 4 * word)
            word += 1
        self.out[at] = (self.out[at] & 255) | parent << 8
        if kind == LEAF:
            return
        slots: i32 = engine.mt_slots(kind)
        slot: i32 = 0
        while slot <= end:
            child: u64 = engine.slot(node, kind, slot)
            last: u64 = highest
            if slot < slots - 1:
                pivot: u64 = engine.pivot(node, slot)
                if pivot:
                    last = pivot
            below: u64 = self.nodes + 1
            self.out[at + slots + slot] = (child & 255) | below << 8
            self.add_node(child, last, number)
            slot += 1


def image(engine: Nodes, tree: int) -> array[int]:
    """The words of the tree at address ``tree``."""
    return Image(engine).of(tree)
