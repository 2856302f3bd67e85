"""Taking nodes and whole subtrees out of use.

A dead node keeps what a later free needs in an overlay of its words::

    parent        word 0           its own address
    rcu_head      words 1 and 2    next, func
    piv_parent    word 3           the enode above it in the dead subtree
    parent_slot   byte 4 W         its slot there
    type          32 bits at 4 W + 4
    slot_len      byte 4 W + 8     how many dead children its slots hold

so its first pivots are gone: a reader must look at the parent word after it has read pivots.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug
from mmtwin.maple.alloc import Alloc
from mmtwin.maple.state import MaState, SubtreeState

if not cython.compiled:
    from mmtwin.maple.words import dead_node, in_rcu, put_meta, put_slot, set_dead, slot_at, type_of

FREE_WALK = declare(u64, 2)
FREE_ONE = declare(u64, 1)
LEAF = declare(i32, 1)
RANGE = declare(i32, 2)
HEIGHT_MAX = declare(i32, 32)


class Destroy(Alloc):
    """Topiaries (lists of dead nodes linked through word 1) and the destruction of subtrees."""

    # Topiaries.

    def mat_add(self, mast: SubtreeState, enode: u64) -> i32:
        """Mark a single node dead and list it to be freed."""
        set_dead(self, enode)
        self.store_word((enode & ~255) + self.W, 0)
        if mast.free_tail:
            self.store_word((mast.free_tail & ~255) + self.W, enode)
        else:
            mast.free_head = enode
        mast.free_tail = enode
        return 0

    def mat_add_subtree(self, mast: SubtreeState, enode: u64) -> i32:
        """Mark the top of a subtree dead and list the subtree to be destroyed."""
        set_dead(self, enode)
        self.store_word((enode & ~255) + self.W, 0)
        if mast.destroy_tail:
            self.store_word((mast.destroy_tail & ~255) + self.W, enode)
        else:
            mast.destroy_head = enode
        mast.destroy_tail = enode
        return 0

    def mas_mat_free(self, mas: MaState, mast: SubtreeState) -> i32:
        """Free the listed single nodes."""
        enode: u64 = mast.free_head
        left: u64 = self.allocator.in_use() if enode else 0
        while enode:
            left = self._one_less(left, "mas_mat_free")
            next: u64 = self.load_word((enode & ~255) + self.W)
            self.mas_free(mas, enode)
            enode = next
        mast.free_head = mast.free_tail = 0
        return 0

    def mas_mat_destroy(self, mas: MaState, mast: SubtreeState) -> i32:
        """Destroy the listed subtrees."""
        enode: u64 = mast.destroy_head
        left: u64 = self.allocator.in_use() if enode else 0
        while enode:
            left = self._one_less(left, "mas_mat_destroy")
            next: u64 = self.load_word((enode & ~255) + self.W)
            self.mte_destroy_walk(enode, mas.tree)
            enode = next
        mast.destroy_head = mast.destroy_tail = 0
        return 0

    def _one_less(self, left: u64, where: str) -> u64:
        """Count down over nodes: a list or a subtree with more of them than are out is a loop."""
        if left == 0:
            self.stuck(where)
        return left - 1

    # The overlay of a dead node.

    def _dead_type(self, node: u64) -> i32:
        return self.memory.load32(node + 4 * self.W + 4) & 15

    def _set_dead_type(self, node: u64, type: i32) -> None:
        self.memory.store32(node + 4 * self.W + 4, type)

    def _set_dead(self, node: u64, type: i32, parent: u64, slot: i32) -> None:
        self._set_dead_type(node, type)
        self.store_word(node + 3 * self.W, parent)
        self.memory.store8(node + 4 * self.W, slot)

    def _piv_parent(self, node: u64) -> u64:
        return self.load_word(node + 3 * self.W)

    def _parent_slot(self, node: u64) -> i32:
        return self.memory.load8(node + 4 * self.W)

    def _slot_len(self, node: u64) -> i32:
        return self.memory.load8(node + 4 * self.W + 8)

    def _set_slot_len(self, node: u64, count: i32) -> None:
        self.memory.store8(node + 4 * self.W + 8, count)

    # Destroying a subtree.

    def mte_dead_leaves(self, enode: u64) -> i32:
        """Mark the children dead and leave their plain addresses in the slots; how many.

        The children end at the first slot that is no node: NULL, or the metadata word. Read as an
        enode that word has no address on little endian and no type on big endian machines, so
        both are looked at. A full range node has neither: the slot count ends the loop.
        """
        node: u64 = enode & ~255
        type: i32 = type_of(self, enode)
        offset: i32 = 0
        while offset < self.slots_of[type]:
            child: u64 = slot_at(self, node, type, offset)
            kind: i32 = (child >> 3) & 15
            if child & ~255 == 0 or kind == 0:
                break
            set_dead(self, child)
            self._set_dead_type(child & ~255, kind)
            put_slot(self, node, type, offset, child & ~255)
            offset += 1
        return offset

    def mte_destroy_descend(self, enode: u64, prev: u64, offset: i32) -> u64:
        """Mark the nodes along the left edge below ``enode`` dead; the lowest inner one.

        ``prev`` and ``offset`` say where ``enode`` hangs. A first child that is dead already is
        passed over: it is being freed by itself.
        """
        level: i32 = 0
        while level < HEIGHT_MAX:
            level += 1
            node: u64 = enode & ~255
            type: i32 = type_of(self, enode)
            next_offset: i32 = 0
            child: u64 = slot_at(self, node, type, 0)
            if dead_node(self, child & ~255):
                next_offset = 1
                child = slot_at(self, node, type, 1)
            set_dead(self, enode)
            self._set_dead(node, type, prev, offset)
            if (child >> 3) & 15 < 2:
                return enode
            prev = enode
            offset = next_offset
            enode = child
        self.stuck("mte_destroy_descend")
        return 0

    def mt_destroy_walk(self, enode: u64, tree: u64, free: bint) -> None:
        """Mark every node of the subtree dead, children before parents; free them if ``free``.

        Without ``free`` the top node keeps what :meth:`mt_free_walk` needs later.
        """
        top: u64 = enode & ~255
        type: i32 = type_of(self, enode)
        if type == LEAF:
            set_dead(self, enode)
            self._set_dead_type(top, type)
            if free:
                self.allocator.free(top)
            return
        at: u64 = self.mte_destroy_descend(enode, enode, 0)
        left: u64 = self.allocator.in_use()
        while at != enode:
            left = self._one_less(left, "mt_destroy_walk")
            node: u64 = at & ~255
            self._set_slot_len(node, self.mte_dead_leaves(at))
            if free:
                self._free_slots(node, type_of(self, at), self._slot_len(node))
            offset: i32 = self._parent_slot(node) + 1
            at = self._piv_parent(node)
            type = type_of(self, at)
            if offset < self.slots_of[type]:
                child: u64 = slot_at(self, at & ~255, type, offset)
                if (child >> 3) & 15 and child & ~255:
                    at = self.mte_destroy_descend(child, at, offset)
        self._set_slot_len(top, self.mte_dead_leaves(enode))
        if free:
            self._free_slots(top, type_of(self, enode), self._slot_len(top))
            self.allocator.free(top)
        else:
            self.mt_clear_meta(top, type_of(self, enode))

    def _free_slots(self, node: u64, type: i32, count: i32) -> None:
        at: i32 = 0
        while at < count:
            self.allocator.free(slot_at(self, node, type, at) & ~255)
            at += 1

    def mt_clear_meta(self, node: u64, type: i32) -> None:
        """Clear the metadata of a destroyed inner node, unless its last slot holds a child.

        The child is known by the count of dead children, not by its type bits as in the kernel:
        they are gone by now, so that 6.1 to 6.18 cut the child's address there.
        """
        if type == LEAF or (type == RANGE and self._slot_len(node) == self.slots_of[type]):
            return
        put_meta(self, node, type, 0, 0)

    def mte_destroy_walk(self, enode: u64, tree: u64) -> None:
        """Destroy a subtree that has left the tree: at once, or after a grace period."""
        if in_rcu(self, tree):
            self.mt_destroy_walk(enode, tree, False)
            self.call_rcu(enode & ~255, FREE_WALK)
        else:
            self.mt_destroy_walk(enode, tree, True)

    # After the grace period.

    def _dead_walk(self, node: u64, offset: i32) -> u64:
        """From slot ``offset`` down the left edge of a dead subtree to the lowest inner node."""
        level: i32 = 0
        while level < HEIGHT_MAX:
            level += 1
            child: u64 = slot_at(self, node, self._dead_type(node), offset) & ~255
            offset = 0
            if self._dead_type(child) < 2:
                return node
            node = child
        self.stuck("mt_free_walk")
        return 0

    def mt_free_walk(self, node: u64) -> None:
        """Free a dead subtree by what its nodes say of themselves."""
        top: u64 = node
        if self._dead_type(top) >= 2:
            node = self._dead_walk(top, 0)
            left: u64 = self.allocator.in_use()
            while node != top:
                left = self._one_less(left, "mt_free_walk")
                self._free_slots(node, self._dead_type(node), self._slot_len(node))
                offset: i32 = self._parent_slot(node) + 1
                above: u64 = self._piv_parent(node) & ~255
                more: bint = offset < self._slot_len(above)
                node = self._dead_walk(above, offset) if more else above
            self._free_slots(top, self._dead_type(top), self._slot_len(top))
        self.allocator.free(top)

    def rcu_barrier(self) -> u64:
        """End the grace period: free everything that waits. Returns how many entries waited."""
        count: u64 = 0
        left: u64 = self.allocator.in_use()
        node: u64 = self._rcu_take()
        while node:
            left = self._one_less(left, "rcu_do_batch")
            function: u64 = self.load_word(node + 2 * self.W)
            if function == FREE_WALK:
                self.mt_free_walk(node)
            elif function == FREE_ONE:
                self.allocator.free(node)
            else:
                raise KernelBug(f"rcu_head of {node:#x} has func {function:#x}", "rcu_do_batch")
            count += 1
            node = self._rcu_take()
        return count
