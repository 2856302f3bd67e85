"""The engine: everything that the kernel offers on a tree, and a few batch entry points.

``Maple`` is the last of a chain of classes, each adding one concern: ``Nodes`` (layouts and
encodings), ``Walk``, ``Iterate``, ``Gaps``, ``Alloc``, ``Destroy``, ``BigNodes``, ``Replace``,
``Rebalance``, ``Split``, ``Store``, ``Search``, ``Typed``, ``Steps``, ``Lifecycle``. A subclass may
replace any step under its kernel name.

Entries are words: 0 is NULL, bit 0 set is a value (``v << 1 | 1``), low bits 00 a pointer. Ranges
are inclusive at both ends everywhere. Errors are negative error numbers.
"""

from __future__ import annotations

import cython
from cython import bint, declare, uint
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug
from mmtwin.maple.dump import mas_dump, mt_dump
from mmtwin.maple.era import Era
from mmtwin.maple.lifecycle import Lifecycle
from mmtwin.maple.plan import StorePlan, plan_store
from mmtwin.maple.state import MaState, WrState
from mmtwin.memory.allocator import Allocator
from mmtwin.memory.memory import Memory

if not cython.compiled:
    from mmtwin.maple.words import (
        flags_of,
        has_gaps,
        meta_end_at,
        pivot_at,
        put_parent,
        put_slot,
        root_of,
        slot_at,
        type_of,
    )

ACTIVE = declare(i32, 0)
EBUSY = declare(i32, 16)
EINVAL = declare(i32, 22)
ENOMEM = declare(i32, 12)
LEAF = declare(i32, 1)
HEIGHT_MAX = declare(i32, 32)
ZERO_ENTRY = declare(u64, 0x406)
ALLOC_WRAPPED = declare(uint, 0x800)


def is_advanced(entry: int) -> bool:
    """An entry that only the advanced interface may store: internal and at most ``0x402``."""
    return entry & 3 == 2 and entry <= 0x402


def is_reserved(entry: int) -> bool:
    """An internal entry below 4096."""
    return entry & 3 == 2 and entry < 4096


class Maple(Lifecycle):
    """The maple tree engine over one memory.

    ``memory``: where trees and nodes lie. ``allocator``: gives out 256-byte objects aligned to
    256 bytes. ``era``: a kernel release such as ``"6.1"`` or ``"6.18"``; ``bits``: 64 or 32.

    Trees are told by the address of their ``struct maple_tree`` (``era.tree_size`` bytes). One
    engine serves any number of trees.
    """

    def __init__(
        self,
        memory: Memory,
        allocator: Allocator,
        *,
        era: str | tuple[int, ...] | Era = "6.1",
        bits: i32 = 64,
    ) -> None:
        super().__init__(memory, allocator, era=era, bits=bits)
        self.states: MaState | None = None

    def state_begin(self, tree: u64, index: u64, last: u64) -> MaState:
        """A state for the length of one call."""
        mas: MaState | None = self.states
        if mas is None:
            mas = MaState(tree)
        else:
            self.states = mas.spare
        mas.tree = tree
        mas.mas_flags = 0
        mas.alloc = 0
        mas.min = 0
        mas.max = self.max_index
        mas.offset = 0
        mas.set_range(index, last)
        return mas

    def state_end(self, mas: MaState) -> None:
        """Give it back."""
        mas.spare = self.states
        self.states = mas

    # The tree itself.

    def mt_init_flags(self, tree: u64, flags: uint) -> None:
        """Make the words at ``tree`` an empty tree."""
        self.memory.zero(tree, self.tree_size)
        self.set_flags(tree, flags)

    def mtree_empty(self, tree: u64) -> bint:
        """Nothing is stored."""
        return root_of(self, tree) == 0

    def mt_set_in_rcu(self, tree: u64) -> None:
        """Let readers run beside writers from now on. Before there are any."""
        self.set_flags(tree, flags_of(self, tree) | 2)

    def mt_clear_in_rcu(self, tree: u64) -> None:
        """Readers hold the lock from now on."""
        self.set_flags(tree, flags_of(self, tree) & ~2)

    def mt_destroy(self, tree: u64) -> None:
        """Free all nodes (in RCU mode after a grace period); entries are untouched. The caller
        holds the lock: the kernel's ``__mt_destroy``."""
        root: u64 = root_of(self, tree)
        self.set_root(tree, 0)
        if root & 3 == 2 and root > 4096:
            self.mte_destroy_walk(root & ~2, tree)
        self.set_flags(tree, flags_of(self, tree) & 0xFFFFFF83 if self.keeps_flags else 0)

    def mtree_destroy(self, tree: u64) -> None:
        """Free all nodes, taking the tree's lock."""
        self.mtree_lock(tree)
        self.mt_destroy(tree)
        self.mtree_unlock(tree)

    # Stores.

    def mtree_store_range(self, tree: u64, first: u64, last: u64, entry: u64, gfp: u64) -> i32:
        """Store ``entry`` over ``first`` to ``last``; 0 erases the range.

        0, -EINVAL (``first > last``, an advanced entry), or -ENOMEM with the tree unchanged.
        """
        if (entry & 3 == 2 and entry <= 0x402) or first > last:
            return -EINVAL
        mas: MaState = self.state_begin(tree, first, last)
        self.mtree_lock(tree)
        error: i32 = self._store_gfp(mas, entry, gfp, False)
        self.mtree_unlock(tree)
        self.state_end(mas)
        return error

    def mtree_store(self, tree: u64, index: u64, entry: u64, gfp: u64) -> i32:
        """Store at one index."""
        return self.mtree_store_range(tree, index, index, entry, gfp)

    def _insert(self, mas: MaState, entry: u64, gfp: u64) -> i32:
        wr: WrState = self.wr_begin(mas, entry)
        first: u64 = mas.index
        last: u64 = mas.last
        try:
            self.mas_insert(wr)
            while self.mas_nomem(mas, gfp):
                mas.index = first
                mas.last = last
                self.mas_insert(wr)
        finally:
            self.wr_end(wr)
        return mas.error()

    def mtree_insert_range(self, tree: u64, first: u64, last: u64, entry: u64, gfp: u64) -> i32:
        """Store only if every index of ``first`` to ``last`` is free.

        0 (NULL: nothing is stored), -EEXIST, -EINVAL, -ENOMEM.
        """
        if (entry & 3 == 2 and entry <= 0x402) or first > last:
            return -EINVAL
        mas: MaState = self.state_begin(tree, first, last)
        self.mtree_lock(tree)
        error: i32 = self._insert(mas, entry, gfp)
        self.mtree_unlock(tree)
        self.state_end(mas)
        return error

    def mtree_insert(self, tree: u64, index: u64, entry: u64, gfp: u64) -> i32:
        """Store at one index if it is free."""
        return self.mtree_insert_range(tree, index, index, entry, gfp)

    def mtree_erase(self, tree: u64, index: u64) -> u64:
        """Remove the whole range that holds ``index``; the entry removed, 0 if there was none."""
        mas: MaState = self.state_begin(tree, index, index)
        self.mtree_lock(tree)
        entry: u64 = self.mas_erase(mas)
        self.mtree_unlock(tree)
        self.state_end(mas)
        return entry

    # Finding room and taking it.

    def mtree_alloc_range(
        self, tree: int, entry: int, size: int, min: int, max: int, gfp: int
    ) -> tuple[int, int]:
        """Store ``entry`` over the lowest free window of ``size`` in ``min`` to ``max``.

        ``(0, start)``, or ``(error, 0)`` with -EBUSY (no room), -EINVAL (not an allocation tree, a
        reserved entry, an impossible window) or -ENOMEM. As rewritten for 6.6; what 6.1 to 6.5
        have under this name is broken and has no user.
        """
        return self._alloc(tree, entry, size, min, max, gfp, True)

    def mtree_alloc_rrange(
        self, tree: int, entry: int, size: int, min: int, max: int, gfp: int
    ) -> tuple[int, int]:
        """The same with the highest free window."""
        return self._alloc(tree, entry, size, min, max, gfp, False)

    def _alloc(
        self, tree: int, entry: int, size: int, min: int, max: int, gfp: int, forward: bool
    ) -> tuple[int, int]:
        if not has_gaps(self, tree) or is_reserved(entry):
            return -EINVAL, 0
        if size == 0 or min > max or max - min < size - 1:
            return -EINVAL, 0
        mas = MaState(tree)
        self.mtree_lock(tree)
        try:
            error = self._find_room(mas, min, max, size, forward)
            if error == 0:
                mas.reset()
                error = self._insert(mas, entry, gfp)
        finally:
            self.mtree_unlock(tree)
        return (error, 0) if error else (0, mas.index)

    def _find_room(self, mas: MaState, min: int, max: int, size: int, forward: bool) -> int:
        if min == max:
            if self.mas_walk(mas_at(mas, min)) != 0:
                return -EBUSY
            mas.set(min)
            return 0
        mas.set(min)
        if forward:
            return self.mas_empty_area(mas, min, max, size)
        return self.mas_empty_area_rev(mas, min, max, size)

    def mtree_alloc_cyclic(
        self, tree: int, entry: int, low: int, high: int, next: int, gfp: int
    ) -> tuple[int, int, int]:
        """Store ``entry`` at the first free index from ``max(low, next)`` to ``high``, else from
        ``low``; since 6.10.

        ``(result, index, next)``: result 0, or 1 if the search wrapped round, or -EBUSY, -EINVAL,
        -ENOMEM; then the index taken and where to begin the next time.
        """
        if not has_gaps(self, tree) or is_reserved(entry):
            return -EINVAL, 0, next
        start = low if next < low else next
        error, index = -EBUSY, 0
        if start <= high:
            error, index = self._alloc(tree, entry, 1, start, high, gfp, True)
        wrapped = 0
        if error == -EBUSY and start > low:
            error, index = self._alloc(tree, entry, 1, low, high, gfp, True)
            wrapped = 1
        if error:
            return error, 0, next
        if flags_of(self, tree) & ALLOC_WRAPPED:
            self.set_flags(tree, flags_of(self, tree) & ~ALLOC_WRAPPED)
            wrapped = 1
        following = (index + 1) & self.max_index
        if following == 0:
            self.set_flags(tree, flags_of(self, tree) | ALLOC_WRAPPED)
        return wrapped, index, following

    # Finding entries.

    def mt_find_from(self, mas: MaState, max: u64) -> u64:
        """The first entry, zero entries passed over, from ``mas.index`` to ``max``; 0 if none.

        ``mas.last + 1`` is where to go on.
        """
        mas.reset()
        if mas.index > max:
            return 0
        entry: u64 = self.mas_walk(mas)
        if entry != 0 and entry != ZERO_ENTRY:
            return entry
        while mas.status == ACTIVE and mas.last < max:
            if self.bounded_states:
                entry = self.mas_next_slot(mas, max, False)
            elif mas.index < max:
                entry = self.mas_next_entry(mas, max)
            if entry == 0:
                return 0
            if entry != ZERO_ENTRY:
                return entry
        return 0

    def mt_find(self, tree: int, index: int, max: int) -> tuple[int, int]:
        """The first entry at or after ``index`` that begins at or before ``max``.

        ``(entry, next)``: ``next`` is the index after the entry's range, which wraps to 0 at the
        top; ``(0, index)`` if there is none. The kernel updates ``*index`` instead.
        """
        mas = MaState(tree, index)
        entry = self.mt_find_from(mas, max)
        return (entry, (mas.last + 1) & self.max_index) if entry else (0, index)

    def mt_find_after(self, tree: int, index: int, max: int) -> tuple[int, int]:
        """:meth:`mt_find` to go on with: at index 0 the search has wrapped and nothing follows."""
        return self.mt_find(tree, index, max) if index else (0, 0)

    def mt_next(self, tree: u64, index: u64, max: u64) -> u64:
        """The first entry after the range that holds ``index``, up to ``max``."""
        mas: MaState = self.state_begin(tree, index, index)
        entry: u64 = self.mas_next(mas, max)
        self.state_end(mas)
        return entry

    def mt_prev(self, tree: u64, index: u64, min: u64) -> u64:
        """The last entry before the range that holds ``index``, down to ``min``."""
        mas: MaState = self.state_begin(tree, index, index)
        entry: u64 = self.mas_prev(mas, min)
        self.state_end(mas)
        return entry

    # Copies.

    def mtree_dup(self, tree: u64, new: u64, gfp: u64) -> i32:
        """Copy a tree, node for node, into the empty tree ``new``; since 6.7.

        0; -EINVAL if ``new`` is not empty or its flags differ in more than the height; -ENOMEM with
        ``new`` empty.
        """
        if root_of(self, new) != 0 or (flags_of(self, new) ^ flags_of(self, tree)) & 0xFFFFFF83:
            return -EINVAL
        root: u64 = root_of(self, tree)
        if root & 3 != 2 or root <= 4096:
            self.set_root(new, root)
            return 0
        copy: u64 = self._copy_nodes(root & ~2, new | 1, gfp, 0)
        if copy == 0:
            return -ENOMEM
        self.set_flags(new, flags_of(self, tree))
        self.set_root(new, copy | 2)
        return 0

    def _copy_nodes(self, enode: u64, parent: u64, gfp: u64, depth: i32) -> u64:
        """A copy of the subtree under the parent word ``parent``; 0 without memory."""
        if depth > HEIGHT_MAX:
            raise KernelBug("the tree is deeper than its height", "mas_dup_build")
        node: u64 = self.allocator.alloc(gfp)
        if node == 0:
            return 0
        type: i32 = type_of(self, enode)
        self.memory.copy(node, enode & ~255, 256)
        put_parent(self, node, parent)
        copy: u64 = node | (enode & 255)
        if type == LEAF:
            return copy
        offset: i32
        end: i32 = self._inner_end(enode)
        for offset in range(end + 1):
            child: u64 = self._copy_nodes(
                slot_at(self, node, type, offset), node | (offset << 3) | 6, gfp, depth + 1
            )
            if child == 0:
                while offset > 0:
                    offset -= 1
                    self._free_copy(slot_at(self, node, type, offset), depth + 1)
                self.allocator.free(node)
                return 0
            put_slot(self, node, type, offset, child)
        return copy

    def _free_copy(self, enode: u64, depth: i32) -> None:
        type: i32 = type_of(self, enode)
        if type != LEAF:
            offset: i32
            for offset in range(self._inner_end(enode) + 1):
                self._free_copy(slot_at(self, enode & ~255, type, offset), depth + 1)
        self.allocator.free(enode & ~255)

    def _inner_end(self, enode: u64) -> i32:
        """The last child of an inner node whose ``max`` is not known: the last slot is a child
        when it looks like one, for metadata does not."""
        type: i32 = type_of(self, enode)
        node: u64 = enode & ~255
        last: i32 = self.slots_of[type] - 1
        if type == LEAF + 1 and pivot_at(self, node, last - 1) != 0:
            child: u64 = slot_at(self, node, type, last)
            return last if child & ~255 and (child >> 3) & 15 else last - 1
        return meta_end_at(self, node, type)

    # For people.

    def mt_dump(self, tree: int, *, hex: bool = False, kernel: bool = True) -> str:
        """The tree in the kernel's own words; see :func:`mmtwin.maple.dump.mt_dump`."""
        return mt_dump(self, tree, hex=hex, kernel=kernel)

    def mas_dump(self, mas: MaState, *, kernel: bool = True) -> str:
        """A state in the kernel's own words; see :func:`mmtwin.maple.dump.mas_dump`."""
        return mas_dump(self, mas, kernel=kernel)

    def mas_plan(self, mas: MaState, entry: int) -> StorePlan:
        """What storing ``entry`` through ``mas`` would do, without doing it; see
        :func:`mmtwin.maple.plan.plan_store`."""
        return plan_store(self, mas, entry)


def mas_at(mas: MaState, index: int) -> MaState:
    """The same state, set to one index."""
    mas.set(index)
    return mas
