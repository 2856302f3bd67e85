"""Trees of every era against digests of what the kernel's own code built."""

from __future__ import annotations

import pytest
from maple_trees import ALLOC, RCU, Tree, play, value, workload
from oracle.ktree_golden import LOADS, SMALL, SPANS, W1, W2

from modes import COMPILED, sample

ERAS = ("6.1", "6.6", "6.12", "6.16", "6.18")
QUICK = 10_000 if COMPILED else 100
"""The longest load outside the deep run."""


def gap_none(text: str, era: str) -> str:
    """From 6.6 a node without gaps says so with slot 0 instead of 15."""
    return text if era == "6.1" else text.replace("A15[", "A0[")


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("flags", "ranges", "text"), SMALL)
def test_small_trees(era: str, flags: int, ranges: list[tuple[int, int, int]], text: str) -> None:
    for rcu in (0, RCU):
        tree = Tree(flags | rcu, era)
        for first, last, number in ranges:
            assert tree.store(first, last, number or None) == 0
        assert str(tree) == gap_none(text, era)
        tree.settled()


@pytest.mark.parametrize("era", ERAS if COMPILED else ("6.1", "6.18"))
@pytest.mark.parametrize(
    ("flags", "first", "last", "store", "nodes", "digest"),
    sample(SPANS, 4),
)
def test_spanning_stores(
    era: str,
    flags: int,
    first: int,
    last: int,
    store: tuple[int, int, int] | None,
    nodes: str,
    digest: str,
) -> None:
    """One store over many leaves, in place and with new nodes."""
    for rcu in (0, RCU) if COMPILED else (RCU,):
        tree = Tree(flags | rcu, era)
        for i in range(first, last + 1):
            tree.store(i * 10, i * 10 + 5, i + 1)
        if store is not None:
            tree.store(store[0], store[1], store[2] or None)
        assert ("/".join(map(str, tree.nodes)), tree.digest) == (nodes, digest)
        tree.settled()


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("rcu", [0, RCU])
@pytest.mark.parametrize(
    ("load", "flags", "count", "nodes", "digest"), [load for load in LOADS if load[2] <= QUICK]
)
def test_random_loads(
    load: str, flags: int, count: int, nodes: str, digest: str, rcu: int, era: str
) -> None:
    random_load(load, flags, count, nodes, digest, rcu, era)


@pytest.mark.deep
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("load", "flags", "count", "nodes", "digest"), LOADS)
def test_random_loads_to_the_end(
    load: str, flags: int, count: int, nodes: str, digest: str, era: str
) -> None:
    for rcu in (0, RCU):
        random_load(load, flags, count, nodes, digest, rcu, era)


def random_load(
    load: str, flags: int, count: int, nodes: str, digest: str, rcu: int, era: str
) -> None:
    tree = Tree(flags | rcu, era)
    play(tree, workload(*(W1 if load == "W1" else W2), count))
    assert ("/".join(map(str, tree.nodes)), tree.digest) == (nodes, digest)
    tree.settled()


@pytest.mark.parametrize(
    ("flags", "counts"),
    [
        (0, {16: 2, 241: 3}),
        (ALLOC, {16: 2, 151: 3}),
    ],
)
def test_heights_of_ascending_ranges_without_gaps(flags: int, counts: dict[int, int]) -> None:
    tree = Tree(flags)
    for i in range(max(counts)):
        tree.store(i * 10, i * 10 + 9, i + 1)
        assert tree.height == counts.get(i + 1, tree.height)
        if i + 2 in counts:
            assert tree.height == counts[i + 2] - 1


@pytest.mark.parametrize(("flags", "counts"), [(0, {9: 2, 128: 3}), (ALLOC, {9: 2, 80: 3, 728: 4})])
def test_heights_of_ascending_ranges_with_gaps(flags: int, counts: dict[int, int]) -> None:
    tree = Tree(flags)
    for i in range(max(counts) if COMPILED else 130):
        tree.store(i * 10, i * 10 + 4, i + 1)
        assert tree.height == counts.get(i + 1, tree.height)


def test_raw_words_of_a_leaf_without_metadata(tree: Tree) -> None:
    """Fifteen singles use every pivot; the last slot is a NULL without one."""
    for i in range(15):
        tree.store(i, i, i + 1)
    node = tree.maple.root(tree.address) & ~255
    assert tree.memory.load(node) == tree.address | 1
    assert [tree.memory.load(node + 8 + 8 * i) for i in range(15)] == list(range(15))
    assert tree.memory.load(node + 248) == 0
    tree.store(15, tree.top, 99)
    assert tree.memory.load(tree.maple.root(tree.address) & ~255 | 248) != 0


def test_the_whole_range_has_one_slot(tree: Tree) -> None:
    tree.store(0, tree.top, 5)
    node = tree.maple.root(tree.address) & ~255
    assert str(tree) == "L[5@M]"
    assert tree.memory.load(node + 8) == tree.top
    assert tree.memory.load(node + 128) == value(5)
    assert tree.memory.load(node + 248) == 0
