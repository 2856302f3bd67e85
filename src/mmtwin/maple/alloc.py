"""Where nodes for a store come from, and where replaced ones go.

A state holds nodes as a chain of ``struct maple_alloc`` overlays on the very nodes it holds::

    total          word 0   nodes in the chain with this one (valid in the head only)
    node_count     word 1   slots in use, one byte
    request_count  word 1   nodes still to be had, upper 32 bits (head only)
    slot[30]       word 2   more nodes; when full, a new head takes the old one as slot[0]

``mas.alloc`` is 0, a bare request (``count << 1 | 1``), or the head's address. Nodes that readers
may still see wait for a grace period in a list through their ``rcu_head`` (words 1 and 2).
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelWarning
from mmtwin.machine.gfp import GFP_NOWAIT, NOWARN
from mmtwin.maple.era import Era
from mmtwin.maple.gaps import Gaps
from mmtwin.maple.state import MaState
from mmtwin.memory.allocator import Allocator
from mmtwin.memory.memory import Memory

if not cython.compiled:
    from mmtwin.maple.words import clear_words, in_rcu, index_of, number_of, parent_at, put, word

MA_STATE_BULK = 1
MA_STATE_REBALANCE = 2
MA_STATE_PREALLOC = 4
MA_STATE_UNPREPARED = 8
"""The twin's own: a store that must not fail is under way, and no nodes were set aside for it."""

MT_FREE_RCU = 1
"""``rcu_head.func`` of a single node: it is freed."""
MT_FREE_WALK = 2
"""``rcu_head.func`` of a dead subtree's top: everything below is freed with it."""

PREALLOC = declare(i32, 4)
UNPREPARED = declare(i32, 8)
FREE_ONE = declare(u64, 1)
NOWAIT = declare(u64, GFP_NOWAIT | NOWARN)
ENOMEM = declare(i32, 12)
LOW32 = declare(u64, 0xFFFFFFFF)


class Alloc(Gaps):
    """The allocation chain of a state, and the list of nodes that wait for a grace period.

    ``rcu_list`` is the address of that list, ``unprepared`` that of a word of the twin's own: nodes
    ever asked for by stores that should have had them set aside (``mas_store_prealloc``).
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
        self.rcu_list = memory.boot_alloc(16, 8)
        self.unprepared = memory.boot_alloc(8, 8)
        big: bint = memory.big_endian
        self.count_shift = bits - 8 if big else 0
        self.request_shift = 32 if self.wide and not big else 0
        self.request_word = 1 if self.wide else 2
        self.chain_word = 2 if self.wide else 3

    # The chain's fields.

    def mas_allocated(self, mas: MaState) -> u64:
        """How many nodes the state holds."""
        if mas.alloc == 0 or mas.alloc & 1:
            return 0
        return word(self, index_of(self, mas.alloc), mas.alloc, 0)

    def mas_alloc_req(self, mas: MaState) -> u64:
        """How many more nodes it asks for."""
        if mas.alloc & 1:
            return mas.alloc >> 1
        if mas.alloc == 0:
            return 0
        state: u64 = word(self, index_of(self, mas.alloc), mas.alloc, self.request_word)
        return (state >> self.request_shift) & LOW32

    def mas_set_alloc_req(self, mas: MaState, count: u64) -> i32:
        """Ask for ``count`` nodes at the next allocation."""
        if mas.alloc == 0 or mas.alloc & 1:
            mas.alloc = (count << 1) | 1 if count else 0
        else:
            x: u64 = index_of(self, mas.alloc)
            kept: u64 = word(self, x, mas.alloc, self.request_word)
            kept &= ~(LOW32 << self.request_shift)
            put(self, x, mas.alloc, self.request_word, kept | (count << self.request_shift))
        return 0

    def _set_total(self, head: u64, total: u64) -> i32:
        put(self, index_of(self, head), head, 0, total)
        return 0

    def _node_count(self, node: u64) -> i32:
        return (word(self, index_of(self, node), node, 1) >> self.count_shift) & 255

    def _set_node_count(self, node: u64, count: i32) -> i32:
        mask: u64 = 255
        value: u64 = count
        x: u64 = index_of(self, node)
        kept: u64 = word(self, x, node, 1) & ~(mask << self.count_shift)
        put(self, x, node, 1, kept | (value << self.count_shift))
        return 0

    def _chain_slot(self, node: u64, at: i32) -> u64:
        return word(self, index_of(self, node), node, self.chain_word + at)

    def _set_chain_slot(self, node: u64, at: i32, value: u64) -> i32:
        put(self, index_of(self, node), node, self.chain_word + at, value)
        return 0

    # Taking and giving nodes.

    def mas_pop_node(self, mas: MaState) -> u64:
        """Take a node out of the chain, zeroed. The store has asked for enough."""
        head: u64 = mas.alloc
        if head == 0 or head & 1:
            raise KernelWarning("!total", "mas_pop_node")
        x: u64 = index_of(self, head)
        total: u64 = word(self, x, head, 0)
        request: u64 = (word(self, x, head, self.request_word) >> self.request_shift) & LOW32
        node: u64 = head
        if total == 1:
            mas.alloc = 0
        else:
            state: u64 = word(self, x, head, 1)
            count: i32 = (state >> self.count_shift) & 255
            if count <= 1:
                mas.alloc = word(self, x, head, self.chain_word)
                self._set_total(mas.alloc, total - 1)
            else:
                put(self, x, head, 0, total - 1)
                node = word(self, x, head, self.chain_word + count - 1)
                one: u64 = 1
                put(self, x, head, 1, state - (one << self.count_shift))
                put(self, x, head, self.chain_word + count - 1, 0)
        if request:
            self.mas_set_alloc_req(mas, request + 1)
        x = index_of(self, node)
        if x != 0:
            clear_words(self, x, node, 0, 32)
        else:
            self.zero_node(node)
        return node

    def mas_push_node(self, mas: MaState, node: u64) -> None:
        """Keep a node that is no longer used for a later need of this state."""
        head: u64 = mas.alloc
        total: u64 = 0
        request: u64 = head >> 1
        state: u64 = 0
        count: i32 = 0
        x: u64 = 0
        if head != 0 and head & 1 == 0:
            x = index_of(self, head)
            total = word(self, x, head, 0)
            state = word(self, x, head, self.request_word)
            request = (state >> self.request_shift) & LOW32
            state = word(self, x, head, 1)
            count = (state >> self.count_shift) & 255
        self._start_chain(node)
        if total and count < self.alloc_slots:
            one: u64 = 1
            put(self, x, head, self.chain_word + count, node)
            put(self, x, head, 1, state + (one << self.count_shift))
            put(self, x, head, 0, total + 1)
        else:
            self._set_total(node, total + 1)
            if total:
                self._set_chain_slot(node, 0, head)
                self._set_node_count(node, 1)
            mas.alloc = node
        if request > 1:
            self.mas_set_alloc_req(mas, request - 1)

    def _alloc_bulk(self, gfp: u64, head: u64, at: i32, count: i32) -> i32:
        """Fill ``count`` slots of ``head`` from slot ``at`` with nodes: all of them or none."""
        allocator: Allocator = self.allocator
        x: u64 = index_of(self, head)
        got: i32 = 0
        node: u64
        if x != 0:
            got = allocator.alloc_words(gfp, number_of(self, x, self.chain_word + at), count)
        else:
            while got < count:
                node = allocator.alloc(gfp)
                if node == 0:
                    break
                put(self, x, head, self.chain_word + at + got, node)
                got += 1
        if got == count:
            return got
        while got > 0:
            got -= 1
            allocator.free(word(self, x, head, self.chain_word + at + got))
            put(self, x, head, self.chain_word + at + got, 0)
        return 0

    def mas_alloc_nodes(self, mas: MaState, gfp: u64) -> i32:
        """Get the nodes asked for. On failure what was had is kept, the rest stays requested and
        the state is in error -ENOMEM."""
        requested: u64 = self.mas_alloc_req(mas)
        if requested == 0:
            return 0
        total: u64 = self.mas_allocated(mas)
        self.mas_set_alloc_req(mas, 0)
        if mas.mas_flags & PREALLOC:
            if total:
                return 0
            raise KernelWarning("!allocated", "mas_alloc_nodes")
        if mas.mas_flags & UNPREPARED:
            self.memory.store(self.unprepared, self.memory.load(self.unprepared) + requested)
        node: u64
        count: i32 = 0
        if total:
            count = self._node_count(mas.alloc)
        if total == 0 or count == self.alloc_slots:
            node = self.allocator.alloc(gfp)
            if node == 0:
                self._nomem(mas, total, requested)
                return 0
            if total:
                self._set_chain_slot(node, 0, mas.alloc)
            self._set_node_count(node, 1 if total else 0)
            mas.alloc = node
            total += 1
            self._set_total(node, total)
            requested -= 1
        node = mas.alloc
        self.mas_set_alloc_req(mas, 0)
        while requested:
            count = self._node_count(node)
            wanted: u64 = self.alloc_slots - count
            if requested < wanted:
                wanted = requested
            if self._alloc_bulk(gfp, node, count, wanted) == 0:
                self._nomem(mas, total, requested)
                return 0
            first: u64 = self._chain_slot(node, 0)
            if count == 0:
                self._start_chain(first)
            self._set_node_count(node, count + wanted)
            total += wanted
            requested -= wanted
            node = first
        self._set_total(mas.alloc, total)
        return 0

    def _start_chain(self, node: u64) -> i32:
        """Clear a node's count and request; the kernel leaves its other words as they are."""
        put(self, index_of(self, node), node, 1, 0)
        if not self.wide:
            self.store_word(node + 8, 0)
        return 0

    def _nomem(self, mas: MaState, total: u64, missing: u64) -> None:
        self.mas_set_alloc_req(mas, missing)
        if total:
            self._set_total(mas.alloc, total)
        mas.set_err(-ENOMEM)

    def mas_node_count_gfp(self, mas: MaState, count: i32, gfp: u64) -> i32:
        """Make the state hold at least ``count`` nodes."""
        wanted: u64 = count
        total: u64 = self.mas_allocated(mas)
        if total < wanted:
            self.mas_set_alloc_req(mas, wanted - total)
            self.mas_alloc_nodes(mas, gfp)
        return 0

    def mas_node_count(self, mas: MaState, count: i32) -> i32:
        """The same inside a store, where nothing may sleep."""
        self.mas_node_count_gfp(mas, count, NOWAIT)
        return 0

    def mas_free_chain(self, mas: MaState) -> i32:
        """Give every node of the chain back and forget any request."""
        allocator: Allocator = self.allocator
        node: u64 = mas.alloc
        total: u64 = 0
        if node != 0 and node & 1 == 0:
            total = word(self, index_of(self, node), node, 0)
        while total > 0:
            x: u64 = index_of(self, node)
            count: i32 = (word(self, x, node, 1) >> self.count_shift) & 255
            first: u64 = word(self, x, node, self.chain_word) if count else 0
            at: i32 = 1
            if x != 0 and count > 1:
                allocator.free_words(number_of(self, x, self.chain_word + 1), count - 1)
                total -= count - 1
                at = count
            while at < count:
                allocator.free(word(self, x, node, self.chain_word + at))
                total -= 1
                at += 1
            allocator.free(node)
            total -= 1
            node = first
        mas.alloc = 0
        return 0

    def mas_free(self, mas: MaState, enode: u64) -> None:
        """A single node left the tree: after a grace period it is free; without RCU at once, for
        this state to use again (up to 6.17)."""
        if in_rcu(self, mas.tree):
            self.ma_free_rcu(enode & ~255)
        elif self.recycles:
            self.mas_push_node(mas, enode & ~255)
        else:
            self.allocator.free(enode & ~255)

    # Waiting for a grace period: head and tail at rcu_list, next and func in each rcu_head.

    def call_rcu(self, node: u64, function: u64) -> None:
        """Queue ``node`` for ``function`` (``MT_FREE_RCU`` or ``MT_FREE_WALK``)."""
        x: u64 = index_of(self, node)
        put(self, x, node, 1, 0)
        put(self, x, node, 2, function)
        first: u64 = self.rcu_list
        last: u64 = self.rcu_list + 8
        tail: u64 = word(self, index_of(self, last), last, 0)
        if tail == 0:
            put(self, index_of(self, first), first, 0, node)
        else:
            put(self, index_of(self, tail), tail, 1, node)
        put(self, index_of(self, last), last, 0, node)

    def ma_free_rcu(self, node: u64) -> None:
        """Free a dead node once no reader can be in it."""
        if parent_at(self, node) != node:
            raise KernelWarning("node->parent != ma_parent_ptr(node)", "ma_free_rcu")
        self.call_rcu(node, FREE_ONE)

    def _rcu_take(self) -> u64:
        """Unlink the first waiting node; 0 if none waits."""
        first: u64 = self.rcu_list
        node: u64 = word(self, index_of(self, first), first, 0)
        if node:
            next: u64 = word(self, index_of(self, node), node, 1)
            put(self, index_of(self, first), first, 0, next)
            if next == 0:
                put(self, index_of(self, first + 8), first + 8, 0, 0)
        return node

    def rcu_waiting(self) -> u64:
        """How many entries wait for a grace period (a dead subtree counts once)."""
        count: u64 = 0
        most: u64 = self.allocator.in_use()
        node: u64 = self.load_word(self.rcu_list)
        while node:
            if count > most:
                self.stuck("rcu_waiting")
            count += 1
            node = self.load_word(node + self.W)
        return count
