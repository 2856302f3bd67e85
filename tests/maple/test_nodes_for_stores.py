"""Where nodes come from: preallocation, the chain, and every allocation failing once."""

from __future__ import annotations

import random

import pytest
from maple_trees import ALLOC, RCU, TOP, FailAt, Tree, value
from model import Map, validate

from mmtwin.machine.bug import KernelBug
from mmtwin.machine.gfp import GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT, NOWARN
from mmtwin.maple.alloc import MA_STATE_PREALLOC
from mmtwin.maple.state import MaState
from modes import COMPILED

ENOMEM = -12
EVERY_ERA = ("6.1", "6.6", "6.12", "6.16", "6.18")


def hundred(flags: int = ALLOC, era: str = "6.1") -> Tree:
    tree = Tree(flags, era)
    for i in range(101):
        tree.store(i * 10, i * 10 + 5, i)
    return tree


class TestPreallocation:
    def test_the_worst_case_is_three_nodes_a_level_and_a_root(self) -> None:
        tree = hundred()
        mas = tree.state(10, 20)
        for _ in range(2):
            assert tree.maple.mas_preallocate(mas, value(1), GFP_KERNEL) == 0
            assert tree.maple.mas_allocated(mas) == 1 + 3 * tree.height
            tree.maple.mas_destroy(mas)
            assert tree.maple.mas_allocated(mas) == 0
        tree.settled()

    def test_a_second_preallocation_adds_nothing(self) -> None:
        tree = hundred()
        mas = tree.state(10, 20)
        for _ in range(2):
            assert tree.maple.mas_preallocate(mas, value(1), GFP_KERNEL) == 0
        assert tree.maple.mas_allocated(mas) == 1 + 3 * tree.height
        tree.maple.mas_destroy(mas)
        tree.settled()

    def test_nodes_come_and_go_one_by_one(self) -> None:
        tree = hundred()
        mas = tree.state(10, 20)
        tree.maple.mas_preallocate(mas, value(1), GFP_KERNEL)
        total = tree.maple.mas_allocated(mas)
        node = tree.maple.mas_pop_node(mas)
        assert tree.maple.mas_allocated(mas) == total - 1
        tree.maple.mas_push_node(mas, node)
        assert tree.maple.mas_allocated(mas) == total
        tree.maple.mas_destroy(mas)
        tree.settled()

    @pytest.mark.parametrize("era", EVERY_ERA)
    def test_the_store_leaves_nothing_in_the_state(self, era: str) -> None:
        tree = hundred(era=era)
        mas = tree.state(10, 20)
        assert tree.maple.mas_preallocate(mas, value(1), GFP_KERNEL) == 0
        tree.maple.mas_store_prealloc(mas, value(1))
        assert tree.maple.mas_allocated(mas) == 0
        assert not mas.mas_flags & MA_STATE_PREALLOC
        assert tree.load(15) == 1
        tree.settled()

    @pytest.mark.parametrize("flags", [ALLOC, ALLOC | RCU])
    @pytest.mark.parametrize("era", EVERY_ERA)
    def test_a_preallocated_store_never_asks_the_allocator(self, era: str, flags: int) -> None:
        draw = random.Random(f"{era} {flags}")
        tree = hundred(flags, era)
        for step in range(250 if COMPILED else 60):
            first = draw.randrange(1010)
            mas = tree.state(first, first + draw.choice([0, 3, 30, 300]))
            entry = value(step) if draw.random() < 0.6 else 0
            assert tree.maple.mas_preallocate(mas, entry, GFP_KERNEL) == 0
            tree.arena.injector = FailAt(1, onwards=True)
            tree.maple.mas_store_prealloc(mas, entry)
            assert tree.arena.injector.asked == 0
            tree.arena.injector = None
        validate(tree)
        tree.settled()

    @pytest.mark.parametrize(
        ("first", "last", "entry", "rcu", "count"),
        [
            (100, 104, value(1), RCU, 0),
            (100, 106, value(1), RCU, 0),
            (500, TOP, value(1), 0, 0),
            (101, 103, value(1), RCU, 1),
            (101, 103, value(1), 0, 0),
            (70, 90, value(1), 0, 7),
        ],
    )
    @pytest.mark.parametrize("era", ["6.12", "6.18"])
    def test_by_store_type(
        self, era: str, first: int, last: int, entry: int, rcu: int, count: int
    ) -> None:
        """Exact fit, slot store and append need nothing, a node store one node for readers."""
        tree = Tree(ALLOC | rcu, era)
        for i in range(20):
            tree.store(i * 10, i * 10 + 4, i)
        mas = tree.state(first, last)
        assert tree.maple.mas_preallocate(mas, entry, GFP_KERNEL) == 0
        assert tree.maple.mas_allocated(mas) == count
        tree.maple.mas_destroy(mas)

    def test_a_failing_preallocation_leaves_nothing(self) -> None:
        tree = hundred()
        before = tree.digest
        for nth in range(1, 2 + 3 * tree.height):
            mas = tree.state(10, 20)
            tree.arena.injector = FailAt(nth)
            assert tree.maple.mas_preallocate(mas, value(1), GFP_KERNEL) == ENOMEM
            tree.arena.injector = None
            assert tree.maple.mas_allocated(mas) == 0
            assert mas.is_start()
            assert mas.alloc == 0
            tree.settled()
        assert tree.digest == before

    def test_one_preallocation_serves_one_store(self) -> None:
        """The second store allocates without sleeping, and stops the kernel if it cannot."""
        tree = hundred(ALLOC | RCU)
        mas = tree.state(11, 12)
        assert tree.maple.mas_preallocate(mas, value(1), GFP_KERNEL) == 0
        tree.maple.mas_store_prealloc(mas, value(1))
        tree.arena.injector = FailAt(1, onwards=True)
        mas.set_range(13, 13)
        with pytest.raises(KernelBug) as stopped:
            tree.maple.mas_store_prealloc(mas, value(2))
        assert stopped.value.where == "mas_store_prealloc"
        assert tree.arena.injector.flags == [GFP_NOWAIT | NOWARN]

    @pytest.mark.parametrize("era", ["6.12", "6.18"])
    def test_the_flag_of_an_empty_preallocation_does_not_stay(self, era: str) -> None:
        """A store that needed no nodes must not keep the next one from getting any."""
        tree = hundred(ALLOC | RCU, era)
        mas = tree.state(500, 505)
        assert tree.maple.mas_preallocate(mas, value(1), GFP_KERNEL) == 0
        mas.set_range(0, 700)
        assert tree.maple.mas_preallocate(mas, value(2), GFP_KERNEL) == 0
        tree.maple.mas_store_prealloc(mas, value(2))
        validate(tree)


class TestChain:
    """The nodes of a state as the kernel chains them."""

    @pytest.mark.parametrize("count", [1, 2, 3, 30, 31, 32, 63, 100])
    @pytest.mark.parametrize("bits", [64, 32])
    def test_any_number_goes_in_and_comes_out(self, count: int, bits: int) -> None:
        tree = Tree(bits=bits)
        mas = tree.state()
        tree.maple.mas_node_count_gfp(mas, count, GFP_KERNEL)
        assert tree.maple.mas_allocated(mas) == count == tree.arena.in_use()
        taken = [tree.maple.mas_pop_node(mas) for _ in range(count)]
        assert len(set(taken)) == count
        assert mas.alloc == 0
        for node in taken:
            assert all(tree.memory.load(node + at) == 0 for at in range(0, 256, 8))
            tree.maple.mas_push_node(mas, node)
        assert tree.maple.mas_allocated(mas) == count
        tree.maple.mas_free_chain(mas)
        assert tree.arena.in_use() == 0

    def test_a_full_head_gets_a_new_one(self) -> None:
        tree = Tree()
        mas = tree.state()
        tree.maple.mas_node_count_gfp(mas, 31, GFP_KERNEL)
        first = mas.alloc
        assert tree.memory.load8(first + 8) == 30
        tree.maple.mas_node_count_gfp(mas, 32, GFP_KERNEL)
        assert mas.alloc != first
        assert tree.memory.load(mas.alloc) == 32
        assert tree.memory.load(mas.alloc + 16) == first
        tree.maple.mas_free_chain(mas)
        assert tree.arena.in_use() == 0

    @pytest.mark.parametrize("nth", range(1, 70))
    def test_a_failure_keeps_what_was_had(self, nth: int) -> None:
        tree = Tree()
        mas = tree.state()
        tree.arena.injector = FailAt(nth)
        tree.maple.mas_node_count_gfp(mas, 70, GFP_KERNEL)
        assert mas.error() == ENOMEM
        held = tree.maple.mas_allocated(mas)
        assert held == tree.arena.in_use()
        assert held + tree.maple.mas_alloc_req(mas) == 70
        tree.arena.injector = None
        while tree.maple.mas_alloc_req(mas):
            mas.reset()
            tree.maple.mas_alloc_nodes(mas, GFP_KERNEL)
        assert tree.maple.mas_allocated(mas) == 70
        tree.maple.mas_free_chain(mas)
        assert tree.arena.in_use() == 0


@pytest.mark.parametrize("era", ["6.1", "6.18"])
def test_a_store_that_may_sleep_gets_through(era: str) -> None:
    """One failure without sleeping, then memory with the caller's flags."""
    for flags in (ALLOC, ALLOC | RCU):
        tree, reference = Tree(flags, era), Map()
        draw = random.Random(flags)
        for step in range(200 if COMPILED else 60):
            first = draw.randrange(2000)
            last = first + draw.randrange(60)
            number = None if draw.random() < 0.3 else step
            tree.arena.injector = FailAt(1)
            assert tree.store(first, last, number, GFP_KERNEL) == 0
            asked = tree.arena.injector.flags
            assert asked[:1] in ([], [GFP_NOWAIT | NOWARN])
            assert all(gfp == GFP_KERNEL for gfp in asked[1:2])
            tree.arena.injector = None
            reference.store(first, last, number)
        validate(tree, reference)
        tree.settled()


def test_insert_without_memory() -> None:
    tree = Tree()
    tree.arena.injector = FailAt(1, onwards=True)
    assert tree.maple.mtree_insert(tree.address, 1, value(1), GFP_ATOMIC) == ENOMEM
    assert tree.maple.mtree_insert(tree.address, 0, value(1), GFP_ATOMIC) == 0
    tree.arena.injector = None
    assert str(tree) == "direct 1"


def test_erase_without_memory_removes_nothing() -> None:
    tree = hundred(ALLOC | RCU)
    tree.maple.rcu_barrier()
    before = str(tree)
    tree.arena.injector = FailAt(1, onwards=True)
    mas = tree.state(503)
    assert tree.maple.mas_erase(mas) == value(50)
    assert mas.error() == ENOMEM
    tree.arena.injector = None
    assert str(tree) == before
    tree.settled()


def test_a_retry_stores_what_was_asked_for() -> None:
    """A NULL is widened; when its store is tried again it must not start from the widened range."""

    class Busy(FailAt):
        """Another writer comes while the lock is dropped for memory."""

        def __init__(self, tree: Tree) -> None:
            super().__init__(1)
            self.tree = tree

        def should_fail(self, name: str, gfp: int) -> bool:
            if gfp == GFP_KERNEL and self.asked == 1:
                self.tree.arena.injector = None
                self.tree.store(520, 524, 99)
                self.tree.arena.injector = self
            return super().should_fail(name, gfp)

    tree = Tree(ALLOC | RCU)
    for i in range(100):
        tree.store(i * 10, i * 10 + 5, i)
    tree.store(510, 525, None)
    tree.arena.injector = Busy(tree)
    assert tree.store(530, 541, None, GFP_KERNEL) == 0
    assert tree.arena.injector.asked > 1
    tree.arena.injector = None
    assert tree.load(522) == 99
    assert tree.load(532) is None
    validate(tree)


class TestBulk:
    @pytest.mark.parametrize("flags", [0, ALLOC])
    def test_a_bulk_load_packs_the_leaves(self, flags: int) -> None:
        for count in (10, 17, 100, 347) if not COMPILED else (*range(10, 120, 7), 347, 999):
            for gap in (0, 5):
                tree, reference = Tree(flags), Map()
                mas = tree.state()
                assert tree.maple.mas_expected_entries(mas, count) == 0
                for i in range(count):
                    mas.set_range(i * 10, i * 10 + 9 - gap)
                    tree.maple.mas_store(mas, value(i))
                    assert not mas.is_err()
                    reference.store(i * 10, i * 10 + 9 - gap, i)
                tree.maple.mas_destroy(mas)
                assert tree.slots() == reference.slots
                tree.settled()

    def test_without_memory(self) -> None:
        tree = Tree()
        mas = tree.state()
        tree.arena.injector = FailAt(5)
        assert tree.maple.mas_expected_entries(mas, 1000) == ENOMEM
        tree.arena.injector = None
        tree.settled()
        assert mas.mas_flags == 0


def test_states_are_plain() -> None:
    mas = MaState(0x1000, 5)
    assert (mas.index, mas.last, mas.node_word()) == (5, 5, 1)
    mas.set_err(-12)
    assert mas.node == 0xFFFFFFFFFFFFFFD2
    assert mas.error() == ENOMEM
    mas.set_err(-22)
    assert mas.node == 0xFFFFFFFFFFFFFFAA
    mas.reset()
    assert mas.error() == 0
    assert "ma_start" in repr(mas)
