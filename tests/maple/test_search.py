"""Empty-area searches against brute force, and the kernel's own tables."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from maple_trees import ALLOC, TOP, Tree, value
from model import Map

from mmtwin.machine.gfp import GFP_KERNEL
from modes import COMPILED

EBUSY, EINVAL = -16, -22


def search(tree: Tree, low: int, high: int, size: int, forward: bool) -> tuple[int, int, int]:
    mas = tree.state()
    call = tree.maple.mas_empty_area if forward else tree.maple.mas_empty_area_rev
    error = call(mas, low, high, size)
    return error, mas.index, mas.last


def compare(tree: Tree, reference: Map, low: int, high: int, size: int) -> None:
    for forward in (True, False):
        expected = (reference.lowest if forward else reference.highest)(low, high, size)
        error, first, last = search(tree, low, high, size, forward)
        if expected is None:
            assert error == EBUSY
        else:
            assert (error, first, last) == (0, expected, expected + size - 1)


@pytest.mark.parametrize("era", ["6.1", "6.18"])
def test_against_brute_force(era: str) -> None:
    for seed in range(12 if COMPILED else 3):
        draw = random.Random(f"{era} {seed}")
        tree, reference = Tree(ALLOC, era), Map()
        for step in range(400 if COMPILED else 120):
            first = draw.randrange(1, 5000)
            last = first + draw.randrange(40)
            number = step if draw.random() < 0.7 else None
            tree.store(first, last, number)
            reference.store(first, last, number)
            if step > 2:
                low = draw.randrange(5200)
                high = low + 1 + draw.randrange(2000)
                size = draw.randrange(1, min(60, high - low + 1))
                compare(tree, reference, low, high, size)


@settings(max_examples=150 if COMPILED else 40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 90), st.integers(0, 6)), min_size=2, max_size=40),
    st.integers(0, 100),
    st.integers(1, 60),
    st.integers(1, 30),
)
def test_any_window(taken: list[tuple[int, int]], low: int, width: int, size: int) -> None:
    tree, reference = Tree(ALLOC, size=1 << 22), Map()
    for first, length in taken:
        tree.store(first, first + length, 1)
        reference.store(first, first + length, 1)
    compare(tree, reference, low, low + width, min(size, width + 1))


ROWS = [
    (False, 5, 90, 10, None),
    (False, 6, 90, 5, None),
    (False, 5, 90, 5, (5, 9)),
    (False, 5, 217, 9, (161, 169)),
    (False, 100, 218, 3, (216, 218)),
    (False, 100, 218, 16, None),
    (False, 167, 200, 4, None),
    (False, 100, 162, 4, None),
    (True, 0, 100, 9, (0, 8)),
    (True, 0, 100, 4, (0, 3)),
    (True, 0, 100, 11, None),
    (True, 5, 100, 6, None),
    (True, 100, 163, 6, None),
]


@pytest.mark.parametrize("era", ["6.1", "6.6", "6.18"])
def test_windows_with_one_hole(era: str) -> None:
    """Twenty ranges of ten, a hole at 160 to 169."""
    tree = Tree(ALLOC, era)
    for i in range(1, 21):
        tree.store(i * 10, i * 10 + 9, i)
    tree.store(160, 169, None)
    for forward, low, high, size, window in ROWS:
        error, first, last = search(tree, low, high, size, forward)
        if window is None:
            assert error == EBUSY
        else:
            assert (error, first, last) == (0, *window)
    error, _, _ = search(tree, 0, 8, 10, True)
    assert error == (EBUSY if era == "6.1" else EINVAL)


def test_the_lower_bound_of_a_reverse_search() -> None:
    tree = Tree(ALLOC)
    tree.store(170, 317, 1)
    tree.store(175, 281, None)
    assert search(tree, 280, 302, 9, False)[0] == EBUSY


def test_an_empty_tree_of_6_1_does_not_look_at_the_window() -> None:
    """The searches of 6.1 answer beyond it; later ones refuse."""
    assert search(Tree(ALLOC), 10, 20, 100, True) == (0, 10, 109)
    assert search(Tree(ALLOC, "6.6"), 10, 20, 100, True)[0] == EINVAL


def test_a_state_can_store_where_it_searched() -> None:
    draw = random.Random(3)
    for era in ("6.1", "6.18"):
        tree, reference = Tree(ALLOC, era), Map()
        for step in range(500 if COMPILED else 150):
            size = draw.randrange(1, 30)
            mas = tree.state()
            forward = draw.random() < 0.5
            call = tree.maple.mas_empty_area if forward else tree.maple.mas_empty_area_rev
            assert call(mas, 10, 1 << 20, size) == 0
            expected = (reference.lowest if forward else reference.highest)(10, 1 << 20, size)
            assert mas.index == expected
            assert tree.maple.mas_store_gfp(mas, value(step), GFP_KERNEL) == 0
            reference.store(expected, expected + size - 1, step)
            if draw.random() < 0.3:
                gone = draw.choice(reference.entries())[0]
                assert tree.erase(gone) == reference.erase(gone)
        assert tree.slots() == reference.slots
        tree.settled()


def test_filling_a_window_to_the_brim() -> None:
    tree = Tree(ALLOC)
    top = 0x25D78000
    stored = 0
    for size in (1 << 14, 1 << 15, 1 << 16):
        for _ in range(300 if COMPILED else 60):
            mas = tree.state()
            assert tree.maple.mas_empty_area_rev(mas, 0, top, size) == 0
            assert tree.maple.mas_store_gfp(mas, value(stored), GFP_KERNEL) == 0
            stored += size
    mas = tree.state()
    assert tree.maple.mas_empty_area_rev(mas, 0, top, top - stored + 2) == EBUSY
    mas.set(0)
    assert tree.maple.mas_empty_area_rev(mas, 0, top, top - stored + 1) == 0
    assert mas.index == 0


class TestAllocating:
    """mtree_alloc_range and its kin."""

    def test_lowest_and_highest(self) -> None:
        tree = Tree(ALLOC)
        tree.store(10, 19, 1)
        alloc = tree.maple.mtree_alloc_range
        assert alloc(tree.address, value(2), 5, 0, 100, GFP_KERNEL) == (0, 0)
        assert alloc(tree.address, value(3), 6, 0, 100, GFP_KERNEL) == (0, 20)
        rev = tree.maple.mtree_alloc_rrange
        assert rev(tree.address, value(4), 10, 0, 100, GFP_KERNEL) == (0, 91)
        assert rev(tree.address, value(4), 90, 0, 100, GFP_KERNEL) == (EBUSY, 0)

    def test_what_is_refused(self) -> None:
        tree, plain = Tree(ALLOC), Tree(0)
        alloc = tree.maple.mtree_alloc_range
        assert plain.maple.mtree_alloc_range(plain.address, 3, 1, 0, 9, 0xCC0) == (EINVAL, 0)
        assert alloc(tree.address, value(1), 0, 0, 9, GFP_KERNEL) == (EINVAL, 0)
        assert alloc(tree.address, value(1), 11, 0, 9, GFP_KERNEL) == (EINVAL, 0)
        assert alloc(tree.address, value(1), 1, 9, 0, GFP_KERNEL) == (EINVAL, 0)
        assert alloc(tree.address, 0x402, 1, 0, 9, GFP_KERNEL) == (EINVAL, 0)
        assert alloc(tree.address, value(1), 10, 0, 9, GFP_KERNEL) == (0, 0)
        assert alloc(tree.address, value(1), 1, 0, 9, GFP_KERNEL) == (EBUSY, 0)

    def test_a_window_of_one_index(self) -> None:
        tree = Tree(ALLOC)
        for number in (1, 2):
            expected = (0, 5) if number == 1 else (EBUSY, 0)
            found = tree.maple.mtree_alloc_range(tree.address, value(number), 1, 5, 5, GFP_KERNEL)
            assert found == expected

    def test_cyclic(self) -> None:
        tree = Tree(ALLOC, "6.12")
        following, taken = 0, []
        for number in range(6):
            result, index, following = tree.maple.mtree_alloc_cyclic(
                tree.address, value(number), 2, 5, following, GFP_KERNEL
            )
            taken.append((result, index))
            if result >= 0:
                continue
        assert taken == [(0, 2), (0, 3), (0, 4), (0, 5), (EBUSY, 0), (EBUSY, 0)]
        tree.erase(3)
        result, index, _ = tree.maple.mtree_alloc_cyclic(tree.address, 9, 2, 5, 6, GFP_KERNEL)
        assert (result, index) == (1, 3)

    def test_cyclic_tells_once_that_the_counter_wrapped(self) -> None:
        tree = Tree(ALLOC, "6.12")
        cyclic = tree.maple.mtree_alloc_cyclic
        assert cyclic(tree.address, 3, 0, TOP, TOP, GFP_KERNEL) == (0, TOP, 0)
        assert cyclic(tree.address, 3, 0, TOP, 0, GFP_KERNEL) == (1, 0, 1)
        assert cyclic(tree.address, 3, 0, TOP, 1, GFP_KERNEL) == (0, 1, 2)
