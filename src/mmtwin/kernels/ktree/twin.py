"""Our tree as a player of the comparison: the driver's operations, carried out by the twin."""

from __future__ import annotations

from array import array
from collections.abc import Callable

from mmtwin.kernels.ktree.dump import Dump
from mmtwin.kernels.ktree.image import image
from mmtwin.kernels.ktree.protocol import (
    BUG,
    MAX,
    OPERATION_WORDS,
    RESULT_WORDS,
    Gfp,
    Op,
)
from mmtwin.kernels.ktree.target import NATIVE, Target
from mmtwin.machine.bug import KernelBug
from mmtwin.machine.gfp import GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT
from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState
from mmtwin.memory.allocator import Arena
from mmtwin.memory.memory import DIRECT_MAP, Memory

TREES = 16
STATES = 16
NODE_BYTES = 256
MEMORY_BYTES = 1 << 28
"""Held lazily; what a script never touches costs nothing."""

LOW_MAP = 0xC0000000
"""Where 32-bit kernels map memory."""

NODE_CLASS = 1 << 32
GFP = {Gfp.NOWAIT: GFP_NOWAIT, Gfp.KERNEL: GFP_KERNEL, Gfp.ATOMIC: GFP_ATOMIC}

Action = Callable[[int, int, int, int, int, int], tuple[int, int]]
"""Tree or state, arguments a to d, allocation flags -> return value and the result's start."""


class Failing:
    """Counts a slab's allocations and makes the n-th from now fail, once or from then on."""

    def __init__(self) -> None:
        self.handed_out = 0
        self.fail_in = 0
        self.fail_on = False

    def should_fail(self, name: str, gfp: int) -> bool:
        """The driver's rule, see ``must_fail`` in slab.h."""
        if self.fail_in == 1:
            if not self.fail_on:
                self.fail_in = 0
            return True
        if self.fail_in:
            self.fail_in -= 1
        self.handed_out += 1
        return False


class TwinPlayer:
    """Sixteen trees and sixteen states of the twin's."""

    def __init__(self, target: Target = NATIVE, era: str = "6.1") -> None:
        self.target = target
        self.top = target.top
        base = DIRECT_MAP if target.bits == 64 else LOW_MAP
        self.memory = Memory(MEMORY_BYTES, base=base, big_endian=target.big_endian)
        self.slab = Arena(self.memory, NODE_BYTES, NODE_BYTES, "maple_node")
        self.failing = Failing()
        self.slab.injector = self.failing
        self.engine = Maple(self.memory, self.slab, era=era, bits=target.bits)
        self.trees = [self.memory.boot_alloc(32, 8) for _ in range(TREES)]
        self.states = [MaState(self.trees[0]) for _ in range(STATES)]
        self._actions: dict[int, Action] = {}

    def dump(self, tree: int = 0) -> Dump:
        """The whole of a tree."""
        return Dump(image(self.engine, self.trees[tree]), self.target)

    def run(self, words: array[int]) -> array[int]:
        """Carry out encoded operations; the words of their results."""
        results = array("Q", bytes(len(words) // OPERATION_WORDS * RESULT_WORDS * 8))
        top = self.top
        at = 0
        for start in range(0, len(words), OPERATION_WORDS):
            head, a, b, c, d = words[start : start + OPERATION_WORDS]
            if top != MAX:
                a, b, c, d = a & top, b & top, c & top, d & top
            try:
                if head & 0xFF < Op.MAS_INIT:
                    self._tree_operation(head, a, b, c, d, results, at)
                else:
                    self._state_operation(head, a, b, c, d, results, at)
            except KernelBug:
                results[at + 7] |= BUG
            at += RESULT_WORDS
        return results

    def _tree_operation(
        self, head: int, a: int, b: int, c: int, d: int, results: array[int], at: int
    ) -> None:
        engine = self.engine
        tree = self.trees[head >> 8 & 0xFF]
        gfp = GFP[Gfp(head >> 24)]
        op = head & 0xFF
        value = 0
        if op == Op.STORE_RANGE:
            value = engine.mtree_store_range(tree, a, b, c, gfp)
        elif op == Op.INSERT_RANGE:
            value = engine.mtree_insert_range(tree, a, b, c, gfp)
        elif op == Op.ERASE:
            value = engine.mtree_erase(tree, a)
        elif op == Op.LOAD:
            value = engine.mtree_load(tree, a)
        elif op == Op.FIND or op == Op.FIND_AFTER:
            find = engine.mt_find if op == Op.FIND else engine.mt_find_after
            value, results[at + 1] = find(tree, a, b)
        elif op == Op.NEXT:
            value = engine.mt_next(tree, a, b)
        elif op == Op.PREV:
            value = engine.mt_prev(tree, a, b)
        elif op == Op.INIT:
            engine.mt_init_flags(tree, a)
        elif op == Op.DESTROY:
            engine.mtree_destroy(tree)
        elif op == Op.SET_RCU:
            (engine.mt_set_in_rcu if a else engine.mt_clear_in_rcu)(tree)
        elif op == Op.GRACE:
            value = engine.rcu_barrier()
        elif op == Op.FAIL:
            self.failing.fail_in = a
            self.failing.fail_on = bool(b)
        elif op == Op.COUNTS:
            value = self.slab.in_use()
            results[at + 1] = self.failing.handed_out
            results[at + 2] = engine.rcu_waiting()
        results[at] = value & MAX

    def _state_operation(
        self, head: int, a: int, b: int, c: int, d: int, results: array[int], at: int
    ) -> None:
        engine = self.engine
        number = head >> 16 & 0xFF
        mas = self.states[number]
        gfp = GFP[Gfp(head >> 24)]
        op = head & 0xFF
        value = 0
        if op == Op.MAS_INIT:
            mas = self.states[number] = MaState(self.trees[head >> 8 & 0xFF], a, b)
        elif op == Op.MAS_SET:
            mas.set_range(a, b)
        elif op == Op.MAS_KEEP:
            mas.index, mas.last = a, b
        elif op == Op.MAS_RESET:
            mas.reset()
        elif op == Op.MAS_PAUSE:
            mas.pause()
        elif op == Op.MAS_WALK:
            value = engine.mas_walk(mas)
        elif op == Op.MAS_FIND:
            value = engine.mas_find(mas, a)
        elif op == Op.MAS_FIND_REV:
            if not mas.is_paused() or mas.index:
                value = engine.mas_find_rev(mas, a)
        elif op == Op.MAS_NEXT:
            value = engine.mas_next(mas, a)
        elif op == Op.MAS_PREV:
            value = engine.mas_prev(mas, a)
        elif op == Op.MAS_STORE:
            value = engine.mas_store(mas, c)
        elif op == Op.MAS_STORE_GFP:
            value = engine.mas_store_gfp(mas, c, gfp)
        elif op == Op.MAS_ERASE:
            value = engine.mas_erase(mas)
        elif op == Op.MAS_PREALLOCATE:
            value = engine.mas_preallocate(mas, c, gfp)
        elif op == Op.MAS_STORE_PREALLOC:
            engine.mas_store_prealloc(mas, c)
        elif op == Op.MAS_EMPTY_AREA:
            value = engine.mas_empty_area(mas, a, b, c)
        elif op == Op.MAS_EMPTY_AREA_REV:
            value = engine.mas_empty_area_rev(mas, a, b, c)
        elif op == Op.MAS_EXPECTED:
            value = engine.mas_expected_entries(mas, a)
        elif op == Op.MAS_DESTROY:
            engine.mas_destroy(mas)
        elif op == Op.MAS_NOMEM:
            value = engine.mas_nomem(mas, gfp)
        elif op == Op.MAS_FILL or op == Op.MAS_FILL_REV:
            search = engine.mas_empty_area if op == Op.MAS_FILL else engine.mas_empty_area_rev
            value = search(mas, a, b, d) or engine.mas_store_gfp(mas, c, gfp)
        elif op == Op.MAS_REPLACE:
            value = engine.mas_find(mas, a)
            if value:
                engine.mas_store_gfp(mas, c, gfp)
        results[at] = value & MAX
        self._report(mas, results, at)

    def _is_node(self, word: int) -> bool:
        return 0 <= word - self.memory.base < self.memory.size

    def _report(self, mas: MaState, results: array[int], at: int) -> None:
        node = mas.node_word() & self.top
        results[at + 1] = mas.index
        results[at + 2] = mas.last
        results[at + 3] = NODE_CLASS | node & 0xFF if self._is_node(node) else node
        results[at + 4] = mas.offset | mas.depth << 8 | mas.mas_flags << 16
        results[at + 5] = mas.min
        # A fresh state does not know the word size of the tree it will be used on.
        results[at + 6] = mas.max & self.top
        engine = self.engine
        request = 0 if mas.is_err() else engine.mas_alloc_req(mas)
        results[at + 7] |= engine.mas_allocated(mas) | request << 24
