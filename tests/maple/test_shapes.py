"""Node shapes of 32-bit kernels and both byte orders."""

from __future__ import annotations

import random

import pytest
from maple_trees import ALLOC, RCU, Tree
from model import Map, validate

from modes import COMPILED


@pytest.mark.parametrize("era", ["6.1", "6.18"])
@pytest.mark.parametrize("flags", [0, ALLOC, RCU, ALLOC | RCU])
@pytest.mark.parametrize(("bits", "big_endian"), [(64, True), (32, False), (32, True)])
def test_any_shape_holds_the_same_map(bits: int, big_endian: bool, flags: int, era: str) -> None:
    draw = random.Random(f"{bits} {big_endian} {flags} {era}")
    tree = Tree(flags, era, bits=bits, big_endian=big_endian)
    reference = Map(tree.top)
    for step in range(500 if COMPILED else 120):
        first = draw.randrange(3000)
        last = tree.top if draw.random() < 0.02 else first + draw.randrange(60)
        number = None if draw.random() < 0.3 else step
        assert tree.store(first, last, number) == 0
        reference.store(first, last, number)
        if step % 20 == 0:
            validate(tree, reference)
        if draw.random() < 0.1:
            index = draw.randrange(3000)
            assert tree.erase(index) == reference.erase(index)
        if flags & ALLOC and step > 3:
            low, size = draw.randrange(3000), draw.randrange(1, 40)
            mas = tree.state()
            found = reference.lowest(low, low + 500, size)
            assert tree.maple.mas_empty_area(mas, low, low + 500, size) == (
                -16 if found is None else 0
            )
            if found is not None:
                assert mas.index == found
    validate(tree, reference)
    tree.settled()
    tree.maple.mtree_destroy(tree.address)
    tree.maple.rcu_barrier()
    assert tree.arena.in_use() == 0


@pytest.mark.parametrize("bits", [64, 32])
def test_byte_order_does_not_change_the_shape(bits: int) -> None:
    texts = []
    for big_endian in (False, True):
        tree = Tree(ALLOC, bits=bits, big_endian=big_endian)
        draw = random.Random(1)
        for step in range(300 if COMPILED else 100):
            first = draw.randrange(2000)
            tree.store(first, first + draw.randrange(9), step if step % 3 else None)
        texts.append(str(tree))
    assert texts[0] == texts[1]


def test_the_metadata_word_of_a_big_endian_leaf() -> None:
    """End 14 reads as 0x0e00000000000000 when it is taken for an entry."""
    tree = Tree(big_endian=True)
    for i in range(7):
        tree.store(i * 10, i * 10 + 4, i)
    node = tree.maple.root(tree.address) & ~255
    assert tree.maple.ma_data_end(node, 1, tree.top) == 13
    assert tree.memory.load(node + 248) == 0x0D00000000000000
    tree.store(60, 69, 9)
    tree.store(70, 79, 10)
    assert tree.memory.load(node + 248) == 0x0E00000000000000
    mas = tree.state(100)
    tree.maple.mas_walk(mas)
    assert tree.maple.mas_next(mas, tree.top) == 0


def test_fields_of_a_narrow_node() -> None:
    tree = Tree(ALLOC, bits=32)
    tree.store(10, 19, 1)
    tree.store(30, 39, 2)
    node = tree.maple.root(tree.address) & ~255
    words = [tree.memory.load32(node + 4 * at) for at in range(64)]
    assert words[:6] == [tree.address | 1, 9, 19, 29, 39, 0xFFFFFFFF]
    assert words[32:37] == [0, 3, 0, 5, 0]
    assert words[63] == 4
    assert tree.maple.mt_slots(3) == 21
    assert tree.maple.mt_min_slots(1) == 14


def test_the_tree_struct_by_era() -> None:
    """24 bytes with the flags at 16 first, 16 bytes with the flags at 4 from 6.12."""
    for era, at in (("6.1", 16), ("6.11", 16), ("6.12", 4), ("6.18", 4)):
        for big_endian in (False, True):
            tree = Tree(ALLOC, era, big_endian=big_endian)
            tree.store(1, 2, 3)
            assert tree.memory.load32(tree.address + at) == 5
            assert tree.memory.load(tree.address + 8) == tree.maple.root(tree.address)
