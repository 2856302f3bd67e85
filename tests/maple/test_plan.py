"""What a store would do, said before it is done."""

from __future__ import annotations

import random

import pytest
from maple_trees import ALLOC, RCU, TOP, Tree, value

from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState, SubtreeState, WrState
from modes import COMPILED

ERAS = ("6.1", "6.6", "6.12", "6.16", "6.18")


class Noting(Maple):
    """Counts the nodes taken and notes which step carried the store out."""

    taken = 0
    path = ""

    def mas_pop_node(self, mas: MaState) -> int:
        self.taken += 1
        return super().mas_pop_node(mas)

    def _note(self, path: str) -> None:
        self.path = self.path or path

    def mas_wr_spanning_store(self, wr: WrState) -> None:
        super().mas_wr_spanning_store(wr)
        self._note("spanning_store")

    def mas_new_root(self, mas: MaState, entry: int) -> None:
        self._note("new_root")
        super().mas_new_root(mas, entry)

    def mas_store_root(self, mas: MaState, entry: int) -> None:
        self._note("store_root")
        super().mas_store_root(mas, entry)

    def mas_split(self, mas: MaState, mast: SubtreeState) -> None:
        self._note("split_store")
        super().mas_split(mas, mast)

    def mas_rebalance(self, mas: MaState, mast: SubtreeState) -> None:
        self._note("rebalance")
        super().mas_rebalance(mas, mast)

    def mas_wr_node_store(self, wr: WrState) -> bool:
        done = super().mas_wr_node_store(wr)
        if done:
            self._note("node_store")
        return done

    def mas_wr_append(self, wr: WrState) -> bool:
        done = super().mas_wr_append(wr)
        if done:
            self._note("append")
        return done

    def mas_wr_typed_append(self, wr: WrState, new_end: int) -> None:
        self._note("append")
        super().mas_wr_typed_append(wr, new_end)

    def mas_wr_slot_store(self, wr: WrState) -> bool:
        done = super().mas_wr_slot_store(wr)
        if done:
            self._note("slot_store")
        return done

    def mas_wr_typed_slot_store(self, wr: WrState) -> None:
        self._note("slot_store")
        super().mas_wr_typed_slot_store(wr)

    def mas_wr_bnode(self, wr: WrState) -> None:
        super().mas_wr_bnode(wr)
        self._note("one_node")


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("flags", [0, ALLOC, RCU, ALLOC | RCU])
def test_the_plan_is_what_happens(flags: int, era: str) -> None:
    """Path, nodes and range, over random stores of every kind; nothing changes by asking."""
    paths = set()
    for seed in range(6 if COMPILED else 2):
        draw = random.Random(f"{flags} {era} {seed}")
        tree = Tree(flags, era, engine=Noting)
        noting = tree.maple
        assert isinstance(noting, Noting)
        domain = draw.choice([100, 1000, 6000])
        for step in range(400 if COMPILED else 120):
            first = draw.randrange(domain)
            last = min(first + draw.choice([0, 1, 5, 20, 100, 900]), domain)
            if draw.random() < 0.02:
                first, last = 0, TOP
            entry = 0 if draw.random() < 0.35 else value(step)
            before = str(tree)
            mas = tree.state(first, last)
            plan = noting.mas_plan(mas, entry)
            assert (mas.index, mas.last, mas.is_start()) == (first, last, True)
            assert str(tree) == before
            noting.taken, noting.path = 0, ""
            assert noting.mas_store_gfp(mas, entry, 0xCC0) == 0
            assert noting.taken == plan.nodes_needed, plan
            assert (noting.path or "exact_fit") == plan.path, plan
            assert plan.nodes_needed <= max(plan.nodes_asked, plan.preallocated)
            if entry and not mas.is_start():
                assert (mas.index, mas.last) == (plan.index, plan.last)
            paths.add(plan.path)
        tree.settled()
    expected = {"exact_fit", "node_store", "split_store", "spanning_store", "new_root"}
    assert expected <= paths


def test_the_preallocation_is_counted_by_the_era() -> None:
    for era in ERAS:
        tree = Tree(ALLOC, era)
        for i in range(100):
            tree.store(i * 10, i * 10 + 4, i)
        for first, last, entry in ((500, 504, 0), (321, 322, value(1)), (100, 700, value(2))):
            mas = tree.state(first, last)
            plan = tree.maple.mas_plan(mas, entry)
            assert tree.maple.mas_preallocate(mas, entry, 0xCC0) == 0
            assert tree.maple.mas_allocated(mas) == plan.preallocated
            assert plan.left == plan.preallocated - plan.nodes_needed >= 0
            tree.maple.mas_destroy(mas)


def test_a_plan_reads_as_a_sentence() -> None:
    tree = Tree(ALLOC)
    for i in range(20):
        tree.store(i * 10, i * 10 + 4, i)
    plan = tree.maple.mas_plan(tree.state(25, 155), value(3))
    assert str(plan) == (
        "spanning_store of 0x19-0x9b: the range leaves its leaf; takes 1 of 7 preallocated, 6 left"
    )
    assert plan.second_store_allocates


def test_a_null_is_planned_as_it_widens() -> None:
    tree = Tree(ALLOC)
    for i in range(5):
        tree.store(i * 10, i * 10 + 4, i)
    plan = tree.maple.mas_plan(tree.state(20, 24), 0)
    assert (plan.index, plan.last) == (15, 29)
