"""Stores into trees without nodes, and stores that leave nothing of the old tree."""

from __future__ import annotations

import cython
from cython import declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.maple.era import Era
from mmtwin.maple.split import Split
from mmtwin.maple.state import MaState, SubtreeState, WrState
from mmtwin.memory.allocator import Allocator
from mmtwin.memory.memory import Memory

if not cython.compiled:
    from mmtwin.maple.words import put_meta, put_parent, put_pivot, put_slot, root_of

ACTIVE = declare(i32, 0)
ERROR = declare(i32, 7)
LEAF = declare(i32, 1)


class Roots(Split):
    """``mas_store_root``, ``mas_root_expand``, ``mas_new_root``; the stack frames of stores."""

    def __init__(
        self,
        memory: Memory,
        allocator: Allocator,
        *,
        era: str | tuple[int, ...] | Era = "6.1",
        bits: i32 = 64,
    ) -> None:
        super().__init__(memory, allocator, era=era, bits=bits)
        self.frames: WrState | None = None

    def wr_begin(self, mas: MaState, entry: u64) -> WrState:
        """A stack frame for one store; tasks may be inside stores of different trees at once."""
        wr: WrState | None = self.frames
        if wr is None:
            wr = WrState(SubtreeState())
        else:
            self.frames = wr.spare
        wr.mas = mas
        wr.mast.bn.size = 36 if self.wide else 68
        wr.entry = entry
        wr.content = 0
        wr.mast.free_head = wr.mast.free_tail = 0
        wr.mast.destroy_head = wr.mast.destroy_tail = 0
        return wr

    def wr_end(self, wr: WrState) -> None:
        """Give the frame back."""
        wr.spare = self.frames
        self.frames = wr

    # Roots.

    def mas_root_expand(self, mas: MaState, entry: u64) -> None:
        """Replace an empty or direct root by a leaf: what was at 0, a gap, the entry, a gap.

        The last pivot is written even where it is the whole tree's end: 3c769fd88b97
        ("maple_tree: set the node limit when creating a new root node").
        """
        contents: u64 = root_of(self, mas.tree)
        self.mas_node_count(mas, 1)
        if mas.status == ERROR:
            return
        node: u64 = self.mas_pop_node(mas)
        put_parent(self, node, mas.tree | 1)
        slot: i32 = 0
        if mas.index > 0:
            if contents:
                put_slot(self, node, LEAF, 0, contents)
                if mas.index > 1:
                    slot = 1
            put_pivot(self, node, slot, mas.index - 1)
            slot += 1
        put_slot(self, node, LEAF, slot, entry)
        mas.offset = slot
        put_pivot(self, node, slot, mas.last)
        if mas.last != self.max_index:
            slot += 1
            put_pivot(self, node, slot, self.max_index)
        put_meta(self, node, LEAF, 0, slot)
        self._root_leaf(mas, node)

    def _root_leaf(self, mas: MaState, node: u64) -> None:
        mas.node = node | (LEAF << 3) | 4
        mas.status = ACTIVE
        mas.min = 0
        mas.max = self.max_index
        mas.depth = 1
        self.mt_set_height(mas.tree, 1)
        self.set_root(mas.tree, mas.node | 2)
        mas.depth = self.depth_base

    def mas_store_root(self, mas: MaState, entry: u64) -> None:
        """Store into a tree without nodes. A NULL can only clear index 0:
        0ea120b278ad ("maple_tree: refine mas_store_root() on storing NULL")."""
        if entry == 0:
            if mas.index == 0:
                self.set_root(mas.tree, 0)
            return
        if mas.last != 0 or mas.index != 0 or entry & 3 == 2:
            self.mas_root_expand(mas, entry)
            return
        self.set_root(mas.tree, entry)
        mas.reset()

    def mas_new_root(self, mas: MaState, entry: u64) -> None:
        """The store covers everything: one slot remains, or nothing at all."""
        old: u64 = root_of(self, mas.tree)
        if entry == 0:
            self.mt_set_height(mas.tree, 0)
            self.set_root(mas.tree, 0)
            mas.depth = 0
            mas.reset()
        else:
            self.mas_node_count(mas, 1)
            if mas.status == ERROR:
                return
            node: u64 = self.mas_pop_node(mas)
            put_parent(self, node, mas.tree | 1)
            put_slot(self, node, LEAF, 0, entry)
            put_pivot(self, node, 0, mas.last)
            mas.offset = 0
            self._root_leaf(mas, node)
        if old & 3 == 2 and old > 4096:
            self.mte_destroy_walk(old & ~2, mas.tree)
