"""Node layouts and encodings: what the 256 bytes of a maple node mean.

A node is 32 words on 64-bit kernels (64 words of half the width on 32-bit ones)::

    type             pivots        slots           gaps            metadata (end, gap)
    1 maple_leaf_64  15 at word 1  16 at byte 128  -               first bytes of slot 15
    2 maple_range_64 15 at word 1  16 at byte 128  -               first bytes of slot 15
    3 maple_arange_64 9 at word 1  10 at byte 80   10 at byte 160  bytes 240 and 241

Word 0 is the parent word. Slot ``i`` covers ``pivot[i-1] + 1`` to ``pivot[i]``, both inclusive; the
first slot begins at the node's ``min`` and the last ends at its ``max``, which the node does not
store: they come from the walk that led to it.

An *enode* is a node's address with its type in bits 3 to 6 and bit 2 set. In ``ma_root`` bit 1 is
set as well and tells a node from an entry.
"""

from __future__ import annotations

import cython
from cython import bint, cfunc, exceptval, inline, uint
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug
from mmtwin.maple.era import HEIGHT, SHARP, WORST, Era, era_of
from mmtwin.memory.allocator import Allocator
from mmtwin.memory.errors import BadAccess
from mmtwin.memory.memory import Memory

if not cython.compiled:
    from mmtwin.pages.words import change

MAPLE_DENSE = 0
MAPLE_LEAF_64 = 1
MAPLE_RANGE_64 = 2
MAPLE_ARANGE_64 = 3

MT_FLAGS_ALLOC_RANGE = 0x01
MT_FLAGS_USE_RCU = 0x02
MT_FLAGS_HEIGHT_OFFSET = 2
MT_FLAGS_HEIGHT_MASK = 0x7C
MT_FLAGS_LOCK_MASK = 0x300
MT_FLAGS_LOCK_IRQ = 0x100
MT_FLAGS_LOCK_BH = 0x200
MT_FLAGS_LOCK_EXTERN = 0x300
MAPLE_HEIGHT_MAX = 31
XA_ZERO_ENTRY = 0x406

NODE_SIZE = 256

TOP64 = cython.declare(u64, 0xFFFFFFFFFFFFFFFF)
TOP32 = cython.declare(u64, 0xFFFFFFFF)
ALL_BUT_HEIGHT = cython.declare(uint, 0xFFFFFF83)
RANGE = cython.declare(i32, 2)
ARANGE = cython.declare(i32, 3)


@cfunc
@inline
@exceptval(0xDEADBEEFDEADBEEF, check=True)
def word_at(nodes: Nodes, address: u64) -> u64:
    """A word of memory, without a call when nobody watches."""
    if nodes.wide and address >= nodes.memory.base:
        offset: u64 = address - nodes.memory.base
        if offset < nodes.memory.limit and offset & 7 == 0:
            return nodes.memory.w[offset >> 3]
    return nodes.load_word(address)


@cfunc
@inline
@exceptval(-1)
def put_at(nodes: Nodes, address: u64, value: u64) -> i32:
    """Store a word of memory with one call at most when nobody watches. Returns 0."""
    if nodes.wide and address >= nodes.memory.base:
        offset: u64 = address - nodes.memory.base
        if offset < nodes.memory.limit and offset & 7 == 0:
            at: u64 = offset >> 3
            if nodes.memory.w[at] != value:
                return change(nodes.memory, at, value)
            return 0
    return nodes.store_word(address, value)


class Nodes:
    """Reads and writes the fields of nodes and of ``struct maple_tree``; the base of the engine.

    ``era`` is a kernel release (``"6.1"``, ``"6.18"``) or an :class:`Era`; ``bits`` is the word
    size of the kernel, 64 or 32. Every address is a kernel address in ``memory``; ``node`` always
    means an address without type bits, ``enode`` one with them.
    """

    def __init__(
        self,
        memory: Memory,
        allocator: Allocator,
        *,
        era: str | tuple[int, ...] | Era = "6.1",
        bits: i32 = 64,
    ) -> None:
        if bits not in (32, 64):
            raise ValueError(f"{bits}-bit kernels are unknown")
        self.memory = memory
        self.allocator = allocator
        self.bits = bits
        self.wide = bits == 64
        self.W = bits // 8
        self.max_index = TOP64 if bits == 64 else TOP32
        known = era_of(era)
        self.era = known
        self.dead_first = known.dead_first
        self.recycles = known.recycles
        self.typed = known.typed
        self.converges = known.converges
        self.strict_window = known.strict_window
        self.bounded_states = known.bounded_states
        self.walk_resumes = known.walk_resumes
        self.depth_base = known.depth_base
        self.by_height = known.prealloc == HEIGHT
        self.prealloc_worst = known.prealloc == WORST
        self.prealloc_sharp = known.prealloc == SHARP
        self.keeps_flags = known.keeps_flags
        self.tree_size = known.tree_size
        self._lay_out(known)

    def _lay_out(self, era: Era) -> None:
        wide: bint = self.wide
        if not cython.compiled:
            self.slots_of, self.pivots_of, self.min_of = [0] * 16, [0] * 16, [0] * 16
            self.slots_at, self.meta_at = [0] * 16, [0] * 16
            self.slot_word, self.meta_word = [0] * 16, [0] * 16
        type: i32
        word: i32 = self.W
        self.node_slots = 256 // word - 1
        self.alloc_slots = self.node_slots - 1 if wide else self.node_slots - 2
        wide_slots: i32 = 16 if wide else 32
        arange_slots: i32 = 10 if wide else 21
        self.slots_of[0] = self.node_slots
        self.slots_of[1] = self.slots_of[2] = wide_slots
        self.slots_of[3] = arange_slots
        self.pivots_of[1] = self.pivots_of[2] = wide_slots - 1
        self.pivots_of[3] = arange_slots - 1
        self.min_of[0] = self.node_slots // 2
        self.min_of[1] = self.min_of[2] = wide_slots // 2 - 2
        self.min_of[3] = arange_slots // 2 - 1
        self.slots_at[0] = word
        self.slots_at[1] = self.slots_at[2] = 128
        self.slots_at[3] = word * arange_slots
        self.gaps_at = 2 * word * arange_slots
        self.meta_at[1] = self.meta_at[2] = 256 - word
        self.meta_at[3] = 240 if wide else 252
        for type in range(4):
            self.slot_word[type] = self.slots_at[type] // word
            self.meta_word[type] = self.meta_at[type & 15] // word
        self.gap_word = self.gaps_at // word
        self.gap_none = 0 if era.gap_none == 0 else (15 if wide else 31)
        # What a fresh node without gaps gets is 15 on 32-bit kernels too, though 31 is what they
        # ask for: there it names slot 15, whose gap is 0 like all others.
        self.gap_unset = era.gap_none
        big: bint = self.memory.big_endian
        self.meta_end_shift = self.bits - 8 if big else 0
        self.meta_gap_shift = self.bits - 16 if big else 8
        if wide:
            self.root_at = era.root_offset
            self.flags_at = era.flags_offset & ~7
            upper: bint = (era.flags_offset & 4 != 0) != big
            self.flags_shift = 32 if upper else 0
        else:
            narrow_flags: i32 = 8 if era.tree_size == 24 else 4
            self.flags_at = narrow_flags
            self.root_at = 4 if narrow_flags == 8 else 8
            self.flags_shift = 0

    # Words of the kernel's word size.

    def load_word(self, address: u64) -> u64:
        """A word of the kernel's size, from memory as it is watched."""
        if self.wide:
            return self.memory.load(address)
        return self.memory.load32(address)

    def store_word(self, address: u64, value: u64) -> i32:
        """Store a word of the kernel's size.

        Returns 0, as all setters here: compiled callers see an exception without asking for it.
        """
        if self.wide:
            self.memory.store(address, value)
        else:
            self.memory.store32(address, value)
        return 0

    # Node fields. No bound is checked: a wild offset reads what lies there, as in the kernel.

    def pivot(self, node: u64, at: i32) -> u64:
        """``pivot[at]``: the inclusive upper end of slot ``at``; 0 past the data."""
        return word_at(self, node + self.W * (at + 1))

    def set_pivot(self, node: u64, at: i32, value: u64) -> i32:
        """Store ``pivot[at]``."""
        return put_at(self, node + self.W * (at + 1), value)

    def slot(self, node: u64, type: i32, at: i32) -> u64:
        """``slot[at]``: an entry in a leaf, an enode elsewhere."""
        return word_at(self, node + self.slots_at[type & 15] + self.W * at)

    def set_slot(self, node: u64, type: i32, at: i32, value: u64) -> i32:
        """Store ``slot[at]``: ``rcu_assign_pointer`` wherever a reader may look."""
        return put_at(self, node + self.slots_at[type] + self.W * at, value)

    def gap(self, node: u64, at: i32) -> u64:
        """``gap[at]`` of a ``maple_arange_64``: the longest run of NULL below slot ``at``."""
        return word_at(self, node + self.gaps_at + self.W * at)

    def set_gap(self, node: u64, at: i32, value: u64) -> i32:
        """Store ``gap[at]``."""
        return put_at(self, node + self.gaps_at + self.W * at, value)

    def meta_end(self, node: u64, type: i32) -> i32:
        """The last used slot as the metadata has it."""
        return (word_at(self, node + self.meta_at[type & 15]) >> self.meta_end_shift) & 255

    def meta_gap(self, node: u64) -> i32:
        """The slot of a ``maple_arange_64`` below which the largest gap lies."""
        return (word_at(self, node + self.meta_at[ARANGE]) >> self.meta_gap_shift) & 255

    def ma_set_meta(self, node: u64, type: i32, gap: i32, end: i32) -> i32:
        """Store both metadata bytes; the rest of their word stays."""
        address: u64 = node + self.meta_at[type & 15]
        mask: u64 = 255
        last: u64 = end & 255
        widest: u64 = gap & 255
        kept: u64 = word_at(self, address)
        kept &= ~((mask << self.meta_end_shift) | (mask << self.meta_gap_shift))
        return put_at(
            self, address, kept | (last << self.meta_end_shift) | (widest << self.meta_gap_shift)
        )

    def mt_slots(self, type: i32) -> i32:
        """How many slots a node of the type has."""
        return self.slots_of[type & 15]

    def mt_pivots(self, type: i32) -> i32:
        """How many pivots a node of the type has."""
        return self.pivots_of[type & 15]

    def mt_min_slots(self, type: i32) -> i32:
        """The least ``end`` that a non-root node of the type may have."""
        return self.min_of[type & 15]

    def node_type(self, enode: u64) -> i32:
        """The type in an enode's bits 3 to 6; :class:`BadAccess` if no tree holds such nodes."""
        type: i32 = (enode >> 3) & 15
        if type < 1 or type > 3:
            raise BadAccess(enode, 256, "load", f"not a tree node: type bits {type}")
        return type

    # Parent words.

    def parent_word(self, node: u64) -> u64:
        """The parent word: ``tree | 1`` in the root, ``parent | slot << 3 | 6`` below it."""
        return word_at(self, node)

    def set_parent_word(self, node: u64, word: u64) -> i32:
        """Store the parent word."""
        return put_at(self, node, word)

    def ma_is_root(self, node: u64) -> bint:
        """The parent word names a tree."""
        return word_at(self, node) & 1 != 0

    def ma_dead_node(self, node: u64) -> bint:
        """The node has left the tree: it is its own parent."""
        return word_at(self, node) & ~255 == node

    def mte_parent(self, enode: u64) -> u64:
        """The parent's address (meaningless for a root)."""
        return word_at(self, enode & ~255) & ~255

    def mte_parent_slot(self, enode: u64) -> i32:
        """Which slot of its parent the node is in; 0 for a root."""
        word: u64 = word_at(self, enode & ~255)
        if word & 1:
            return 0
        if word & 2:
            return (word & 0xF8) >> 3
        return (word & 0xFC) >> 2

    def mte_set_parent(self, enode: u64, parent: u64, slot: i32) -> i32:
        """Make ``enode`` the child number ``slot`` of the inner enode ``parent``."""
        if ((parent >> 3) & 15) < 2:
            raise KernelBug("p_type == maple_leaf_64", "mte_set_parent")
        return put_at(self, enode & ~255, (parent & ~255) | (slot << 3) | 6)

    def mte_set_node_dead(self, enode: u64) -> i32:
        """Make the node its own parent, so that readers in it start afresh."""
        node: u64 = enode & ~255
        return put_at(self, node, node)

    def inner_type(self, tree: u64) -> i32:
        """The type of the tree's inner nodes; a parent word does not tell it."""
        return ARANGE if self.flags(tree) & 1 else RANGE

    # Ends and limits.

    def ma_data_end(self, node: u64, type: i32, max: u64) -> i32:
        """The last used slot of a node that covers up to ``max``, inclusive.

        A leaf or range node whose last pivot is set has no metadata: its end is that pivot's slot
        if it equals ``max``, otherwise the one after it, which has no pivot.
        """
        if type == ARANGE:
            return self.meta_end(node, type)
        last: i32 = self.pivots_of[type & 15] - 1
        pivot: u64 = self.pivot(node, last)
        if pivot == 0:
            return self.meta_end(node, type)
        return last if pivot == max else last + 1

    def mas_safe_pivot(self, node: u64, type: i32, at: i32, max: u64) -> u64:
        """``pivot[at]``, or ``max`` for the slot that has no pivot."""
        if at >= self.pivots_of[type & 15]:
            return max
        return self.pivot(node, at)

    def mas_safe_min(self, node: u64, at: i32, min: u64) -> u64:
        """The first index of slot ``at`` in a node that begins at ``min``."""
        if at > 0:
            return (self.pivot(node, at - 1) + 1) & self.max_index
        return min

    # struct maple_tree.

    def root(self, tree: u64) -> u64:
        """``ma_root``: NULL, a direct entry, or a root enode."""
        return word_at(self, tree + self.root_at)

    def set_root(self, tree: u64, entry: u64) -> i32:
        """Publish ``ma_root``."""
        return put_at(self, tree + self.root_at, entry)

    def flags(self, tree: u64) -> uint:
        """``ma_flags``."""
        return (word_at(self, tree + self.flags_at) >> self.flags_shift) & TOP32

    def set_flags(self, tree: u64, flags: uint) -> i32:
        """Store ``ma_flags``; the other half of the word stays."""
        address: u64 = tree + self.flags_at
        mask: u64 = 0xFFFFFFFF
        word: u64 = word_at(self, address) & ~(mask << self.flags_shift)
        value: u64 = flags
        return put_at(self, address, word | (value << self.flags_shift))

    def mt_height(self, tree: u64) -> i32:
        """Levels of nodes; 0 for an empty tree or a direct entry."""
        return (self.flags(tree) & 0x7C) >> 2

    def mt_set_height(self, tree: u64, height: i32) -> None:
        """Store the height in the flags."""
        if height > 31:
            raise KernelBug("mas->depth > MAPLE_HEIGHT_MAX", "mas_set_height")
        self.set_flags(tree, (self.flags(tree) & ALL_BUT_HEIGHT) | (height << 2))

    def mt_is_alloc(self, tree: u64) -> bint:
        """The tree keeps track of its gaps."""
        return self.flags(tree) & 1 != 0

    def mt_in_rcu(self, tree: u64) -> bint:
        """Readers may run beside a writer, so nodes in use are replaced, not rewritten."""
        return self.flags(tree) & 2 != 0

    def zero_node(self, node: u64) -> None:
        """Clear all 256 bytes."""
        if self.wide and node >= self.memory.base and node - self.memory.base < self.memory.limit:
            memory: Memory = self.memory
            first: u64 = (node - memory.base) >> 3
            at: i32
            if memory.journal is None:
                memory.d[first >> 9] = 1
                for at in range(32):
                    memory.w[first + at] = 0
                return
            for at in range(32):
                if memory.w[first + at] != 0:
                    change(memory, first + at, 0)
        else:
            self.memory.zero(node, 256)
