"""Both trees against digests of what the kernel's code built."""

from __future__ import annotations

import pytest
from ktree_golden import CAPTURES, LOADS, SMALL, SPANS, W1, W2
from players import final, levels, random_load, stores

from mmtwin.kernels.ktree import NoKernelSourceError
from mmtwin.kernels.ktree.captures import Capture, read_captures
from mmtwin.kernels.ktree.compare import Player
from modes import sample

QUICK = 1000
"""Most operations of a load outside the deep run."""


@pytest.mark.parametrize(("flags", "ranges", "notation"), SMALL)
def test_small_trees(
    player: Player, flags: int, ranges: list[tuple[int, int, int]], notation: str
) -> None:
    assert final(player, stores(flags, ranges)).notation() == notation


def test_raw_words_of_a_leaf(player: Player) -> None:
    dump = final(player, stores(0, [(10, 19, 1), (30, 39, 2)]))
    words = list(dump.node(1))
    top = (1 << 64) - 1
    assert words == [1, 9, 0x13, 0x1D, 0x27, top, *[0] * 11, 3, 0, 5, *[0] * 11, 4]


def test_raw_words_of_an_allocation_root(player: Player) -> None:
    dump = final(player, stores(1, [(i * 10, i * 10 + 4, i + 1) for i in range(20)]))
    top = (1 << 64) - 1
    children = [0x20C, 0x30C, 0x40C]
    assert list(dump.node(1)) == [
        *(1, 0x4A, 0x7C, top, *[0] * 6),
        *(*children, *[0] * 7),
        *(5, 5, 0xFFFFFFFFFFFFFF3D, *[0] * 7),
        *(0x202, 0),
    ]
    assert [dump.node(n)[0] for n in (2, 3, 4)] == [0x106, 0x10E, 0x116]


@pytest.mark.parametrize(("flags", "first", "last", "store", "nodes", "digest"), sample(SPANS, 4))
def test_spanning_stores(
    player: Player,
    flags: int,
    first: int,
    last: int,
    store: tuple[int, int, int] | None,
    nodes: str,
    digest: str,
) -> None:
    ranges = [(i * 10, i * 10 + 5, i + 1) for i in range(first, last + 1)]
    dump = final(player, stores(flags, [*ranges, store] if store else ranges))
    assert (levels(dump), dump.digest()) == (nodes, digest)


@pytest.mark.parametrize(
    ("load", "flags", "operations", "nodes", "digest"),
    [pytest.param(*row, marks=[pytest.mark.deep] if row[2] > QUICK else []) for row in LOADS],
)
@pytest.mark.parametrize("rcu", [0, 2], ids=["", "rcu"])
def test_random_loads(
    player: Player, rcu: int, load: str, flags: int, operations: int, nodes: str, digest: str
) -> None:
    domain, longest = {"W1": W1, "W2": W2}[load]
    dump = final(player, random_load(domain, longest, flags | rcu, operations))
    assert (levels(dump), dump.digest()) == (nodes, digest)


@pytest.mark.oracle
def test_recorded_vma_activity(player: Player) -> None:
    try:
        captures = read_captures()
    except NoKernelSourceError as error:
        pytest.skip(str(error))
    assert len(captures) == len(CAPTURES)
    assert sum(len(capture.steps) for capture in captures) == 32656
    got = {capture.number: played(player, capture) for capture in captures}
    assert got == CAPTURES


def played(player: Player, capture: Capture) -> tuple[str, str]:
    dump = final(player, capture.operations())
    return levels(dump), dump.digest()
