"""The range map against the model, whatever is done to it."""

from __future__ import annotations

import pickle
from copy import copy, deepcopy
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from rangemodel import END, Model

from mmtwin.rangemap import MapleTree, NoRoom, Snapshot

small = st.integers(0, 60)
huge = st.integers(END - 60, END - 1)
index = st.one_of(small, small, small, huge, st.integers(0, END - 1))
values = st.one_of(st.integers(), st.none(), st.text(max_size=3), st.just(()), st.booleans())


@st.composite
def spans(draw: st.DrawFn) -> tuple[int, int]:
    """A half-open range that is not empty."""
    first, second = draw(index), draw(index)
    return min(first, second), max(first, second) + 1


class RangeMaps(RuleBasedStateMachine):
    """Operations on a map and on the model; snapshots must never change."""

    def __init__(self) -> None:
        super().__init__()
        self.tree = MapleTree()
        self.model = Model()
        self.kept: list[tuple[Snapshot, list[Any]]] = []

    @rule(span=spans(), value=values)
    def store(self, span: tuple[int, int], value: Any) -> None:
        self.tree[span[0] : span[1]] = value
        self.model.store(*span, value)

    @rule(start=st.integers(0, 50), count=st.integers(1, 40), value=values)
    def store_singles(self, start: int, count: int, value: Any) -> None:
        for at in range(start, start + 2 * count, 2):
            self.tree[at] = value
            self.model.store(at, at + 1, value)

    @rule(span=spans())
    def delete(self, span: tuple[int, int]) -> None:
        del self.tree[span[0] : span[1]]
        self.model.erase(*span)

    @rule(at=index)
    def delete_one(self, at: int) -> None:
        try:
            del self.tree[at]
        except KeyError:
            assert self.model.at(at) is None
        else:
            assert self.model.at(at) is not None
        self.model.erase(at, at + 1)

    @rule(at=index)
    def erase(self, at: int) -> None:
        expected = self.model.at(at)
        try:
            assert self.tree.erase(at) == expected
        except KeyError:
            assert expected is None
        else:
            assert expected is not None
            self.model.erase(expected[0], expected[1] + 1)

    @rule(span=spans(), value=values)
    def insert(self, span: tuple[int, int], value: Any) -> None:
        free = not self.model.clipped(*span)
        try:
            self.tree.insert(*span, value)
        except ValueError:
            assert not free
        else:
            assert free
            self.model.store(*span, value)

    @rule(
        size=st.one_of(st.integers(1, 40), st.integers(1, END - 1)),
        window=spans(),
        align=st.sampled_from([1, 1, 2, 3, 8, 16, 1 << 40]),
        from_top=st.booleans(),
        value=values,
    )
    def allocate(
        self, size: int, window: tuple[int, int], align: int, from_top: bool, value: Any
    ) -> None:
        low, high = window
        expected = self.model.find_gap(size, low, high, align, from_top)
        asked = {"low": low, "high": high, "align": align, "from_top": from_top}
        assert self.tree.find_gap(size, **asked) == expected
        try:
            assert self.tree.allocate(size, value, **asked) == expected
        except NoRoom:
            assert expected is None
        else:
            assert expected is not None
            self.model.store(expected, expected + size, value)

    @rule(at=index, stop=index)
    def look(self, at: int, stop: int) -> None:
        expected = self.model.at(at)
        assert self.tree.at(at) == expected
        assert (at in self.tree) == (expected is not None)
        assert self.tree.get(at, "none") == (expected[2] if expected else "none")
        assert self.tree.next(at) == self.model.next(expected[1] if expected else at)
        assert self.tree.prev(at) == self.model.prev(expected[0] if expected else at)
        if stop:
            assert self.tree.find(at, stop) == self.model.find(at, stop)

    @rule(span=spans())
    def iterate(self, span: tuple[int, int]) -> None:
        expected = self.model.clipped(*span)
        assert list(self.tree.ranges(*span)) == expected
        assert self.tree[span[0] : span[1]] == expected
        assert list(self.tree.ranges(*span, reverse=True)) == expected[::-1]
        assert list(self.tree.values(*span)) == [value for _, _, value in expected]
        assert list(self.tree.gaps(*span)) == self.model.gaps(*span)

    @precondition(lambda self: len(self.kept) < 5)
    @rule()
    def snapshot(self) -> None:
        self.kept.append((self.tree.snapshot(), list(self.model.ranges)))

    @rule()
    def become_a_copy(self) -> None:
        old, self.tree = self.tree, self.tree.copy()
        assert old == self.tree == copy(self.tree) == deepcopy(self.tree)
        assert pickle.loads(pickle.dumps(self.tree)) == self.tree

    @rule()
    def clear(self) -> None:
        self.tree.clear()
        self.model.ranges = []

    @invariant()
    def same(self) -> None:
        assert list(self.tree) == self.model.ranges
        assert len(self.tree) == len(self.model.ranges)
        for snapshot, ranges in self.kept:
            assert list(snapshot) == ranges


RangeMaps.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestRangeMaps = RangeMaps.TestCase
