"""One of the twin's trees as the words that `dump.Dump` reads."""

from __future__ import annotations

from array import array

from cython import declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.maple.nodes import Nodes

TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)
LEAF = declare(i32, 1)
HEADER = declare(i32, 3)
NODE_WORDS = declare(i32, 32)
RECORD = declare(i32, 33)


class Image:
    """Writes the image of trees of one engine (64-bit nodes)."""

    def __init__(self, engine: Nodes) -> None:
        self.engine = engine
        self.words = array("Q", bytes(8 * RECORD * 64))
        self.out = self.words
        self.nodes = 0

    def of(self, tree: u64) -> array[int]:
        """The words of the tree at address ``tree``."""
        engine: Nodes = self.engine
        root: u64 = engine.root(tree)
        self.nodes = 0
        if root & 3 == 2 and root > 4096:
            self.add_node(root & ~2, TOP, 0)
            self.out[HEADER + 1] &= 7
            root &= 255
        self.out[0] = root
        self.out[1] = engine.flags(tree)
        self.out[2] = self.nodes
        return self.words[: HEADER + self.nodes * RECORD]

    def add_node(self, enode: u64, highest: u64, parent: u64) -> None:
        """Append a node that ends at ``highest`` (inclusive), and all below it."""
        engine: Nodes = self.engine
        node: u64 = enode & ~255
        kind: i32 = engine.node_type(enode)
        end: i32 = engine.ma_data_end(node, kind, highest)
        number: u64 = self.nodes + 1
        at: i32 = HEADER + self.nodes * RECORD
        self.nodes += 1
        if at + 2 * RECORD > len(self.words):
            self.words = self.words * 2
            self.out = self.words
        self.out[at] = end
        at += 1
        word: i32 = 0
        while word < NODE_WORDS:
            self.out[at + word] = engine.memory.load(node + 8 * word)
            word += 1
        self.out[at] = (self.out[at] & 255) | parent << 8
        if kind == LEAF:
            return
        slots: i32 = 16 if kind == 2 else 10
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
