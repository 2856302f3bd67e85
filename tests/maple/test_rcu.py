"""Readers beside a writer: dead nodes, grace periods, and every store of every path watched."""

from __future__ import annotations

import random

import pytest
from maple_trees import ALLOC, RCU, TOP, Tree, value
from model import validate

from mmtwin.machine.bug import KernelBug
from mmtwin.maple.alloc import MT_FREE_RCU, MT_FREE_WALK
from modes import COMPILED

ERAS = ("6.1", "6.18")

PATHS = {
    "the first leaf": ([(0, 0, 1)], (5, 9, 2)),
    "new root": ([(i * 10, i * 10 + 4, i) for i in range(20)], (0, TOP, 77)),
    "all NULL": ([(i * 10, i * 10 + 4, i) for i in range(20)], (0, TOP, None)),
    "exact fit": ([(10, 19, 1), (30, 39, 2)], (10, 19, 9)),
    "the last slot is cut": ([(i * 10, i * 10 + 4, i) for i in range(5)], (60, TOP, 9)),
    "slot store": ([(i * 10, i * 10 + 9, i) for i in range(8)], (15, 29, 9)),
    "slot store to the left": ([(i * 10, i * 10 + 9, i) for i in range(8)], (20, 34, 9)),
    "node store": ([(i * 10, i * 10 + 9, i) for i in range(8)], (12, 14, 9)),
    "split": ([(i, i, i) for i in range(15)], (15, 15, 9)),
    "push": ([(i * 10, i * 10 + 9, i) for i in range(40)], (202, 204, 9)),
    "split to a new root": ([(i * 10, i * 10 + 4, i) for i in range(79)], (790, 794, 9)),
    "rebalance": ([(i * 10, i * 10 + 4, i) for i in range(30)], (85, 119, 9)),
    "spanning": ([(i * 10, i * 10 + 4, i) for i in range(90)], (125, 495, 9)),
    "spanning NULL": ([(i * 10, i * 10 + 4, i) for i in range(90)], (125, 495, None)),
    "spanning to the edge": ([(i * 10, i * 10 + 4, i) for i in range(90)], (300, TOP, 9)),
}


LONG = ("push", "split to a new root", "spanning", "spanning NULL")
"""Where readers wait long for the writer: uncompiled, the way to the edge stands for them."""


class Reader:
    """Reads the whole map at every single store of a writer.

    Each index must show what it held before or what it holds after; nothing else, and no access
    to freed memory. ``tries`` bounds a reader that starts again and again: the writer stands still
    meanwhile, as if it had lost its CPU.
    """

    def __init__(self, tree: Tree, points: list[int], live_lock: bool) -> None:
        self.tree = tree
        self.points = points
        self.live_lock = live_lock
        self.before = {at: tree.load(at) for at in points}
        self.after: dict[int, int | None] = {}
        self.events = 0
        self.stuck = 0
        self.walks_stuck = 0
        self.reading = False

    def on_load(self, address: int, size: int) -> None: ...

    def on_alloc(self, address: int, size: int) -> None: ...

    def on_reserve(self, address: int, size: int) -> None: ...

    def on_release(self, address: int, size: int) -> None: ...

    def on_free(self, address: int, size: int) -> None: ...

    def on_store(self, address: int, size: int) -> None:
        if self.reading:
            return
        self.reading = True
        self.events += 1
        try:
            for at in self.points:
                self.look(at)
            self.walk()
        finally:
            self.reading = False

    def look(self, at: int) -> None:
        try:
            seen = self.tree.load(at)
        except KernelBug:
            assert self.live_lock, "a reader starts again for ever"
            self.stuck += 1
            return
        assert seen in (self.before[at], self.after[at]), at

    def walk(self) -> None:
        """Entries in order, each once."""
        mas, last = self.tree.state(0), -1
        for _ in range(len(self.points) * 4):
            try:
                entry = self.tree.maple.mas_find(mas, TOP)
            except KernelBug:
                self.walks_stuck += 1
                return
            if not entry:
                return
            assert mas.index > last
            last = mas.last


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", [name for name in PATHS if COMPILED or name not in LONG])
def test_a_reader_at_every_store_of_a_writer(name: str, era: str) -> None:
    """6.1 marks the old nodes dead before it publishes the new ones: a reader may spin meanwhile.
    Later eras publish first, and no lookup may ever be stuck. A step up from a child that has not
    been adopted yet meets its dead parent in all eras: it must wait for the writer."""
    ranges, (first, last, number) = PATHS[name]
    for flags in (RCU, ALLOC | RCU):
        tree, twin = Tree(flags, era, size=1 << 22), Tree(flags, era, size=1 << 22)
        for a, b, n in ranges:
            tree.store(a, b, n)
            twin.store(a, b, n)
        edges = {0, TOP, first, last}
        for a, b, _ in [*ranges[:: max(1, len(ranges) // (12 if COMPILED else 2))], *ranges[-1:]]:
            edges |= {a, b, max(a - 1, 0), b + 1 if b < TOP else b}
        points = sorted(edges)
        reader = Reader(tree, points, live_lock=era == "6.1")
        assert twin.store(first, last, number) == 0
        reader.after = {at: twin.load(at) for at in points}
        tree.memory.watch(reader)
        assert tree.store(first, last, number) == 0
        tree.memory.watch(None)
        assert reader.events > 0
        assert reader.walks_stuck < reader.events
        assert str(tree) == str(twin)
        validate(tree)
        tree.settled()


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("flags", [RCU, ALLOC | RCU])
def test_what_changes_in_a_node_that_readers_may_see(flags: int, era: str) -> None:
    """A store may change slots, parent words and gaps of nodes that stay; pivots of a leaf only one
    at a time. Everything else takes a new node."""
    draw = random.Random(f"{era} {flags}")
    tree = Tree(flags, era)
    for step in range(500 if COMPILED else 120):
        before = words_of(tree)
        first = draw.randrange(2000)
        tree.store(first, first + draw.randrange(40), None if draw.random() < 0.3 else step)
        after = words_of(tree)
        for node, old in before.items():
            if node not in after:
                continue
            new = after[node]
            changed = [at for at in range(32) if old[at] != new[at]]
            kind = tree.maple.mt_is_alloc(tree.address)
            if old[-1] == 1:
                pivots = [at for at in changed if 1 <= at <= 15]
                slots = [at for at in changed if at >= 16]
                assert len(pivots) <= 1
                assert len(slots) <= 1
            else:
                first_slot = 10 if kind else 16
                assert not [at for at in changed if 1 <= at < first_slot]
        tree.maple.rcu_barrier()


def words_of(tree: Tree) -> dict[int, list[int]]:
    """The words of every node in the tree, the node's type last."""
    found: dict[int, list[int]] = {}
    root = tree.maple.root(tree.address)
    waiting = [(root & ~2, tree.top)] if root & 3 == 2 and root > 4096 else []
    while waiting:
        enode, top = waiting.pop()
        node, kind = enode & ~255, enode >> 3 & 15
        found[node] = [tree.memory.load(node + 8 * at) for at in range(32)] + [kind]
        if kind > 1:
            end = tree.maple.ma_data_end(node, kind, top)
            for at in range(end + 1):
                pivot = top if at == end else tree.maple.pivot(node, at)
                waiting.append((tree.maple.slot(node, kind, at), pivot))
    return found


def test_a_replaced_node_waits_for_the_grace_period() -> None:
    tree = Tree(RCU)
    for i in range(8):
        tree.store(i * 10, i * 10 + 9, i)
    tree.maple.rcu_barrier()
    old = tree.maple.root(tree.address) & ~255
    content = [tree.memory.load(old + 8 * at) for at in range(3, 32)]
    tree.store(12, 14, 9)
    assert tree.maple.ma_dead_node(old)
    assert tree.memory.load(old + 16) == MT_FREE_RCU
    assert [tree.memory.load(old + 8 * at) for at in range(3, 32)] == content
    assert tree.maple.rcu_waiting() == 1
    assert tree.memory.load(tree.maple.rcu_list) == old
    assert tree.arena.in_use() == 2
    assert tree.maple.rcu_barrier() == 1
    assert tree.arena.in_use() == 1
    assert tree.maple.rcu_barrier() == 0


def test_the_waiting_list_moves_with_the_journal() -> None:
    """A rewind takes back what waits, an advance brings it again."""
    tree = Tree(RCU, journal=True)
    for i in range(8):
        tree.store(i * 10, i * 10 + 9, i)
    start, text = tree.memory.mark(), str(tree)
    waiting = tree.maple.rcu_waiting()
    tree.store(12, 14, 9)
    end, later = tree.memory.mark(), str(tree)
    tree.memory.rewind(start)
    assert (str(tree), tree.maple.rcu_waiting()) == (text, waiting)
    tree.memory.advance(end)
    assert (str(tree), tree.maple.rcu_waiting()) == (later, waiting + 1)
    tree.settled()


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("flags", [0, ALLOC, RCU, ALLOC | RCU])
@pytest.mark.parametrize("count", [1, 9, 16, 250, 1000])
def test_destroying_a_tree_frees_every_node(count: int, flags: int, era: str) -> None:
    """Full inner nodes of plain trees have no metadata to end their slots."""
    for gap in (0, 5):
        tree = Tree(flags, era)
        for i in range(count if COMPILED else min(count, 300)):
            tree.store(i * 10, i * 10 + 9 - gap, i)
        tree.maple.rcu_barrier()
        nodes = sum(tree.nodes)
        top = tree.maple.root(tree.address) & ~255
        tree.maple.mtree_destroy(tree.address)
        assert tree.maple.mtree_empty(tree.address)
        assert tree.height == 0
        if flags & RCU:
            assert tree.arena.in_use() == nodes
            assert tree.memory.load(top + 16) == MT_FREE_WALK
            assert tree.maple.ma_dead_node(top)
        assert tree.maple.rcu_barrier() == (1 if flags & RCU else 0)
        assert tree.arena.in_use() == 0


def test_flags_after_destruction() -> None:
    for era, kept in (("6.1", 0), ("6.18", ALLOC | RCU | 0x300)):
        tree = Tree(ALLOC | RCU | 0x300, era)
        tree.store(1, 2, 3)
        tree.maple.mt_destroy(tree.address)
        assert tree.maple.flags(tree.address) == kept


@pytest.mark.parametrize("era", ERAS)
def test_a_state_in_a_dead_node_starts_again(era: str) -> None:
    """Its next step gives the next entry of the tree as it is now, and misses none."""
    tree = Tree(RCU, era)
    for i in range(100):
        tree.store(i * 10, i * 10 + 4, i)
    mas = tree.state(0)
    for i in range(40):
        assert tree.maple.mas_find(mas, TOP) == value(i)
    tree.store(401, 402, 1000)
    tree.store(385, 394, None)
    assert tree.maple.ma_dead_node(mas.node & ~255)
    assert tree.maple.mas_next(mas, TOP) == value(40)
    assert tree.maple.mas_next(mas, TOP) == value(1000)
    assert tree.maple.mas_prev(mas, 0) == value(40)
    mas.set(402)
    assert tree.maple.mas_walk(mas) == value(1000)
    tree.store(350, 410, None)
    assert tree.maple.mas_prev(mas, 0) == value(34)
    tree.settled()


def test_a_reader_in_a_destroyed_leaf_root_notices() -> None:
    tree = Tree(RCU)
    tree.store(1, 5, 1)
    mas = tree.state(3)
    tree.maple.mas_walk(mas)
    tree.maple.mtree_destroy(tree.address)
    assert tree.maple.ma_dead_node(mas.node & ~255)
    assert tree.maple.mas_next(mas, TOP) == 0
    tree.settled()


def test_switching_modes() -> None:
    tree = Tree(ALLOC)
    for i in range(50):
        tree.maple.mt_set_in_rcu(tree.address)
        assert tree.maple.mt_in_rcu(tree.address)
        tree.store(1000 - i * 10, 1004 - i * 10, i)
        tree.maple.mt_clear_in_rcu(tree.address)
        tree.store(2000 + i * 10, 2004 + i * 10, i)
    validate(tree)
    tree.settled()


@pytest.mark.parametrize("bits", [64, 32])
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("flags", [0, RCU, ALLOC, ALLOC | RCU])
def test_a_copy_of_a_tree(flags: int, big_endian: bool, bits: int) -> None:
    for count in (0, 1, 20, 400 if COMPILED else 120):
        tree = Tree(flags, "6.12", bits=bits, big_endian=big_endian)
        for i in range(count):
            tree.store(i * 10, i * 10 + 4, i)
        tree.maple.rcu_barrier()
        used = tree.arena.in_use()
        new = tree.memory.boot_alloc(64, 64)
        tree.maple.mt_init_flags(new, flags)
        assert tree.maple.mtree_dup(tree.address, new, 0xCC0) == 0
        assert tree.arena.in_use() == 2 * used
        assert tree.maple.flags(new) == tree.maple.flags(tree.address)
        text, tree.address = str(tree), new
        assert str(tree) == text
        validate(tree)
        tree.store(5, 7, 99)
        validate(tree)


def test_a_copy_that_fails_leaves_nothing() -> None:
    from maple_trees import FailAt

    tree = Tree(ALLOC)
    for i in range(60):
        tree.store(i * 10, i * 10 + 4, i)
    used, new = tree.arena.in_use(), tree.memory.boot_alloc(64, 64)
    tree.maple.mt_init_flags(new, ALLOC)
    for nth in range(1, used + 1):
        tree.arena.injector = FailAt(nth)
        assert tree.maple.mtree_dup(tree.address, new, 0xCC0) == -12
        assert tree.maple.mtree_empty(new)
        assert tree.arena.in_use() == used
    tree.maple.mt_init_flags(new, 0)
    assert tree.maple.mtree_dup(tree.address, new, 0xCC0) == -22
