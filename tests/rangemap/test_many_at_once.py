"""Many operations in one call do what as many calls do."""

from __future__ import annotations

from array import array
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmtwin.rangemap import MapleTree, NoRoom

RANGES = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 60)), max_size=60)


def made(ranges: list[tuple[int, int]]) -> MapleTree[int]:
    return MapleTree((start, start + size, number) for number, (start, size) in enumerate(ranges))


@given(RANGES, st.lists(st.integers(0, 500), max_size=40))
def test_erasing_many(ranges: list[tuple[int, int]], indexes: list[int]) -> None:
    one, other = made(ranges), made(ranges)
    count = 0
    for index in indexes:
        if index in other:
            other.erase(index)
            count += 1
    assert one.erase_many(indexes) == count
    assert list(one) == list(other)
    assert len(one) == len(other)


@given(RANGES, st.lists(st.integers(1, 40), max_size=30), st.integers(1, 8), st.booleans())
def test_allocating_many(
    ranges: list[tuple[int, int]], sizes: list[int], align: int, from_top: bool
) -> None:
    one, other = made(ranges), made(ranges)
    places = []
    try:
        for size in sizes:
            places.append(other.allocate(size, -size, 3, 600, align, from_top))
    except NoRoom:
        with pytest.raises(NoRoom):
            one.allocate_many(sizes, [-size for size in sizes], 3, 600, align, from_top)
    else:
        values = [-size for size in sizes]
        found = one.allocate_many(sizes, values, 3, 600, align, from_top)
        assert found == array("Q", places)
    assert list(one) == list(other)


@given(RANGES)
def test_columns_hold_all_ranges(ranges: list[tuple[int, int]]) -> None:
    tree = made(ranges)
    starts, lasts, values = tree.to_arrays()
    assert list(zip(starts, lasts, values, strict=True)) == list(tree)
    assert tree.snapshot().to_arrays() == (starts, lasts, values)


def test_a_map_of_one_range() -> None:
    for tree in (MapleTree([(0, 1, "a")]), MapleTree([(0, 1 << 64, "a")])):
        starts, lasts, values = tree.to_arrays()
        assert (list(starts), values) == ([0], ["a"])
        assert lasts[0] == tree.last()[1]
        assert tree.erase_many([0, 0]) == 1
        assert tree.to_arrays() == (array("Q"), array("Q"), [])


def test_bad_input() -> None:
    tree = MapleTree([(0, 10, "a")])
    with pytest.raises(ValueError, match="2 sizes and 1 values"):
        tree.allocate_many([1, 2], ["x"])
    with pytest.raises(ValueError, match="size 1 is 0"):
        tree.allocate_many([1, 0], ["x", "y"])
    assert tree[10] == "x"
    with pytest.raises(ValueError, match="gaps=False"):
        MapleTree(gaps=False).allocate_many([1], ["x"])
    with pytest.raises(IndexError, match="outside"):
        tree.erase_many([-1])


def test_values_that_go_may_look_at_the_map() -> None:
    seen = []

    class Watching:
        def __del__(self) -> None:
            seen.append(len(tree))

    tree: MapleTree[Watching] = MapleTree((10 * i, 10 * i + 5, Watching()) for i in range(200))
    indexes = Random(1).sample(range(0, 2000, 10), 100)
    assert tree.erase_many(indexes) == 100
    assert seen == [100] * 100
