"""Trees gone wrong: calls may answer wrongly or stop the kernel, but they come back."""

from __future__ import annotations

import random

import pytest
from maple_trees import ALLOC, RCU, TOP, Tree, value

from mmtwin.machine.bug import KernelBug, KernelWarning
from mmtwin.maple.era import era_of
from mmtwin.memory.errors import BadAccess, OutOfMemory
from modes import COMPILED

STOPS = (KernelBug, KernelWarning, BadAccess, OutOfMemory)


def nodes(tree: Tree) -> list[int]:
    found, waiting = [], [tree.maple.root(tree.address) & ~2]
    while waiting:
        enode = waiting.pop()
        node, kind = enode & ~255, enode >> 3 & 15
        found.append(node)
        if kind > 1:
            count = tree.maple.meta_end(node, kind) + 1
            waiting += [tree.maple.slot(node, kind, at) for at in range(count)]
    return found


@pytest.mark.parametrize("era", ["6.1", "6.18"])
@pytest.mark.parametrize("flags", [ALLOC, ALLOC | RCU])
def test_no_damage_hangs_or_crashes(flags: int, era: str) -> None:
    draw = random.Random(f"{flags} {era}")
    for _ in range(250 if COMPILED else 25):
        tree = Tree(flags, era, size=1 << 22)
        for i in range(120):
            tree.store(i * 10, i * 10 + 4, i)
        every = nodes(tree)
        for _ in range(draw.randrange(1, 4)):
            node = draw.choice(every)
            word = draw.choice(
                [
                    draw.randrange(1 << 64),
                    draw.randrange(300),
                    draw.choice(every) | draw.choice([0x0C, 0x1C, 0x06, 0x2E]),
                    TOP,
                    0,
                ]
            )
            tree.memory.store(node + 8 * draw.randrange(32), word)
        for call in range(12):
            try:
                poke(tree, draw, call)
            except STOPS:
                continue


def poke(tree: Tree, draw: random.Random, call: int) -> None:
    index = draw.randrange(1300)
    last = index + draw.randrange(400)
    if call % 6 == 0:
        tree.load(index)
    elif call % 6 == 1:
        mas = tree.state(index)
        for _ in range(300):
            if not tree.maple.mas_find(mas, TOP):
                break
    elif call % 6 == 2:
        mas = tree.state(index)
        for _ in range(300):
            if not tree.maple.mas_prev(mas, 0):
                break
    elif call % 6 == 3:
        tree.store(index, last, draw.choice([None, 5]))
    elif call % 6 == 4:
        tree.maple.mas_empty_area(tree.state(), index, last + 1, 7)
        tree.maple.mas_empty_area_rev(tree.state(), index, last + 1, 7)
    else:
        tree.maple.mas_plan(tree.state(index, last), value(1))
        tree.maple.mt_dump(tree.address)


def test_a_wild_root_is_told() -> None:
    tree = Tree()
    tree.maple.set_root(tree.address, 0xDEAD000000000100 | 0x0E)
    with pytest.raises(BadAccess):
        tree.load(5)
    with pytest.raises(BadAccess):
        tree.store(5, 6, 7)


def test_a_dead_root_is_a_lockup() -> None:
    tree = Tree(RCU)
    tree.store(1, 2, 3)
    tree.maple.mte_set_node_dead(tree.maple.root(tree.address))
    with pytest.raises(KernelBug, match="soft lockup"):
        tree.load(1)


@pytest.mark.parametrize(
    ("release", "name"),
    [("6.1", "E1"), ("6.2.9", "E1"), ("6.4", "E2"), ("6.11-rc3", "E3"), ((6, 15), "E4")],
)
def test_eras(release: str | tuple[int, ...], name: str) -> None:
    assert era_of(release).name == name
    assert era_of(name) is era_of(release)
    assert era_of(era_of(release)) is era_of(name)


@pytest.mark.parametrize("release", ["5.19", "7.0", "six"])
def test_releases_without_a_model(release: str) -> None:
    with pytest.raises(ValueError, match=r"Linux|release"):
        era_of(release)
