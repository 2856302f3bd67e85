"""Every entry once, in order, from both sides, by every kind of step."""

from __future__ import annotations

import random

import pytest
from maple_trees import ALLOC, RCU, TOP, Tree, value
from model import Map

from mmtwin.maple.nodes import XA_ZERO_ENTRY
from modes import COMPILED


def grown(era: str, flags: int, seed: int) -> tuple[Tree, Map]:
    draw = random.Random(seed)
    tree, reference = Tree(flags, era), Map()
    for step in range(400 if COMPILED else 150):
        first = draw.randrange(3000)
        last = first + draw.randrange(1, 30)
        if step == 7:
            last = TOP
        number = None if draw.random() < 0.2 else step
        tree.store(first, last, number)
        reference.store(first, last, number)
    return tree, reference


@pytest.mark.parametrize("flags", [0, ALLOC, RCU])
@pytest.mark.parametrize("era", ["6.1", "6.18"])
def test_whole_walks(era: str, flags: int) -> None:
    tree, reference = grown(era, flags, 1)
    expected = reference.entries()
    maple = tree.maple
    mas, found = tree.state(0), []
    while entry := maple.mas_find(mas, TOP):
        found.append((mas.index, mas.last, entry >> 1))
    assert found == expected
    mas, found = tree.state(TOP), []
    while entry := maple.mas_find_rev(mas, 0):
        found.append((mas.index, mas.last, entry >> 1))
    assert found == expected[::-1]
    assert tree.slots() == reference.slots
    found, index = [], 0
    while True:
        entry, index = maple.mt_find(tree.address, index, TOP)
        if not entry:
            break
        found.append(entry >> 1)
        if not index:
            break
    assert found == [number for _, _, number in expected]


@pytest.mark.parametrize("era", ["6.1", "6.18"])
def test_single_steps_from_anywhere(era: str) -> None:
    tree, reference = grown(era, ALLOC, 2)
    entries = reference.entries()
    draw = random.Random(3)
    for _ in range(300 if COMPILED else 80):
        index = draw.randrange(3100)
        first, last, number = reference.at(index)
        after = [n for a, _, n in entries if a > last]
        before = [n for _, b, n in entries if b < first]
        assert tree.load(index) == number
        got = tree.number(tree.maple.mt_next(tree.address, index, TOP))
        assert got == (after[0] if after else None)
        got = tree.number(tree.maple.mt_prev(tree.address, index, 0))
        assert got == (before[-1] if before else None)
        limit = index + draw.randrange(200)
        inside = [n for a, b, n in entries if b >= index and a <= limit]
        got = tree.number(tree.maple.mt_find(tree.address, index, limit)[0])
        assert got == (inside[0] if inside else None)
        mas = tree.state(index)
        got = tree.number(tree.maple.mas_find(mas, limit))
        assert got == (inside[0] if inside else None)
        low = max(0, index - draw.randrange(200))
        inside = [n for a, b, n in entries if a <= index and b >= low]
        mas = tree.state(index)
        got = tree.number(tree.maple.mas_find_rev(mas, low))
        assert got == (inside[-1] if inside else None)


@pytest.mark.parametrize("era", ["6.1", "6.18"])
def test_steps_there_and_back(era: str) -> None:
    """Next and previous undo each other in the middle of the tree."""
    tree, reference = grown(era, ALLOC, 4)
    entries = reference.entries()
    mas = tree.state(entries[0][0])
    tree.maple.mas_walk(mas)
    at, draw = 0, random.Random(5)
    for _ in range(400 if COMPILED else 100):
        if draw.random() < 0.55 and at + 1 < len(entries):
            at += 1
            assert tree.maple.mas_next(mas, TOP) >> 1 == entries[at][2]
        elif at > 0:
            at -= 1
            assert tree.maple.mas_prev(mas, 0) >> 1 == entries[at][2]
        assert (mas.index, mas.last) == entries[at][:2]


@pytest.mark.parametrize("era", ["6.8", "6.18"])
def test_range_steps_visit_every_slot(era: str) -> None:
    tree, reference = grown(era, RCU, 6)
    mas = tree.state(0)
    tree.maple.mas_walk(mas)
    found = [(mas.index, mas.last)]
    while True:
        tree.maple.mas_next_range(mas, TOP)
        if not mas.is_active():
            break
        found.append((mas.index, mas.last))
    assert found == [(a, b) for a, b, _ in reference.slots]
    mas = tree.state(TOP)
    tree.maple.mas_walk(mas)
    back = [(mas.index, mas.last)]
    while True:
        tree.maple.mas_prev_range(mas, 0)
        if not mas.is_active():
            break
        back.append((mas.index, mas.last))
    assert back == found[::-1]


def test_a_zero_entry_is_reserved_not_empty(tree: Tree) -> None:
    """mtree_load and mt_find hide it, the states return it, an insert finds the place taken."""
    maple = tree.maple
    assert maple.mtree_store_range(tree.address, 64, 64, XA_ZERO_ENTRY, 0xCC0) == 0
    tree.store(100, 100, 1)
    assert tree.load(64) is None
    assert maple.mt_find(tree.address, 0, TOP) == (value(1), 101)
    assert maple.mas_find(tree.state(0), TOP) == XA_ZERO_ENTRY
    assert maple.mtree_insert_range(tree.address, 64, 64, value(2), 0xCC0) == -17
    assert maple.mtree_erase(tree.address, 64) == XA_ZERO_ENTRY


def test_entries_that_may_not_be_stored(tree: Tree) -> None:
    for entry in (0x402, 0x2, 0x102):
        assert tree.maple.mtree_store_range(tree.address, 1, 2, entry, 0xCC0) == -22
    assert tree.maple.mtree_store_range(tree.address, 2, 1, 3, 0xCC0) == -22
    assert str(tree) == "empty"


def test_find_after_the_top_wraps(tree: Tree) -> None:
    tree.store(5, TOP, 1)
    entry, index = tree.maple.mt_find(tree.address, 0, TOP)
    assert (entry, index) == (value(1), 0)
    assert tree.maple.mt_find_after(tree.address, index, TOP) == (0, 0)


def test_overwriting_while_iterating() -> None:
    """A state that stores inside its own loop stands on what it stored."""
    tree = Tree(ALLOC)
    for i in range(126):
        tree.store(i * 10, i * 10 + 9, i)
    mas = tree.state(925)
    assert tree.maple.mas_find(mas, 925) == value(92)
    mas.set_range(925, 929)
    assert tree.maple.mas_store_gfp(mas, value(500), 0xCC0) == 0
    assert tree.maple.mas_next(mas, TOP) == value(93)
    mas.set(785)
    assert tree.maple.mas_walk(mas) == value(78)
    mas.set_range(780, 785)
    assert tree.maple.mas_store_gfp(mas, value(501), 0xCC0) == 0
    assert tree.maple.mas_find(mas, TOP) == value(78)
    assert (mas.index, mas.last) == (786, 789)
