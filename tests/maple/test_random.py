"""Random stores against a plain list, with every rule checked after each."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from maple_trees import ALLOC, RCU, Tree
from model import Map, validate

from modes import COMPILED

SEEDS = range(24 if COMPILED else 4)
STEPS = 300 if COMPILED else 120


def store_some(tree: Tree, reference: Map, draw: random.Random, domain: int, longest: int) -> None:
    first = draw.randrange(domain)
    last = min(first + draw.randrange(longest), domain)
    if draw.random() < 0.05:
        last = tree.top
    number = None if draw.random() < 0.35 else draw.randrange(1 << 20)
    assert tree.store(first, last, number) == 0
    reference.store(first, last, number)


@pytest.mark.parametrize("era", ["6.1", "6.6", "6.12", "6.18"])
@pytest.mark.parametrize("flags", [0, ALLOC, RCU, ALLOC | RCU])
def test_contents_and_rules_after_every_store(flags: int, era: str) -> None:
    for seed in SEEDS:
        draw = random.Random(f"{flags} {era} {seed}")
        tree, reference = Tree(flags, era), Map()
        domain = draw.choice([60, 400, 4000])
        longest = draw.choice([2, 20, 200])
        for _ in range(STEPS):
            if draw.random() < 0.15:
                index = draw.randrange(domain)
                assert tree.erase(index) == reference.erase(index)
            else:
                store_some(tree, reference, draw, domain, longest)
            if draw.random() < (0.3 if COMPILED else 0.1):
                validate(tree, reference)
        validate(tree, reference)
        tree.settled()
        tree.maple.mtree_destroy(tree.address)
        tree.settled()
        assert tree.arena.in_use() == 0


@pytest.mark.parametrize("era", ["6.1", "6.18"])
@pytest.mark.parametrize("flags", [0, ALLOC, RCU, ALLOC | RCU])
def test_large_trees_shrink_to_nothing(flags: int, era: str) -> None:
    """Many ranges, then wide overwrites until nothing is left: levels go several at a time."""
    count = 3000 if COMPILED else 500
    draw = random.Random(f"{flags} {era}")
    tree = Tree(flags, era)
    for i in draw.sample(range(count), count):
        tree.store(i * 10, i * 10 + 4, i)
    validate(tree)
    tall = tree.height
    while tree.nodes:
        first = draw.randrange(count * 10)
        last = first + draw.randrange(count * 3)
        tree.store(first, last, None if draw.random() < 0.8 else 7)
        if draw.random() < 0.05:
            tree.store(0, count * 11, None)
        validate(tree)
    assert tall > 2
    tree.settled()


@settings(
    max_examples=200 if COMPILED else 40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    st.sampled_from([0, ALLOC, RCU, ALLOC | RCU]),
    st.sampled_from(["6.1", "6.12", "6.18"]),
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(0, 12), st.none() | st.integers(0, 9)),
        max_size=60,
    ),
)
def test_any_short_sequence(flags: int, era: str, steps: list[tuple[int, int, int | None]]) -> None:
    tree, reference = Tree(flags, era, size=1 << 22), Map()
    for first, length, number in steps:
        tree.store(first, first + length, number)
        reference.store(first, first + length, number)
        validate(tree, reference)
    tree.settled()
    assert tree.slots() == reference.slots


def test_insert_refuses_what_is_taken() -> None:
    draw = random.Random(5)
    for era in ("6.1", "6.18"):
        tree, reference = Tree(ALLOC, era), Map()
        for step in range(600 if COMPILED else 200):
            first = draw.randrange(2000)
            last = first + draw.randrange(12)
            free = all(
                number is None for a, b, number in reference.slots if a <= last and b >= first
            )
            error = tree.maple.mtree_insert_range(tree.address, first, last, step << 1 | 1, 0xCC0)
            assert error == (0 if free else -17)
            if free:
                reference.store(first, last, step)
            if step % 20 == 0:
                index = draw.randrange(2000)
                assert tree.erase(index) == reference.erase(index)
        validate(tree, reference)
        tree.settled()
