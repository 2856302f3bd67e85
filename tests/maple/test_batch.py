"""The batch entry points leave the tree that single calls leave, word for word."""

from __future__ import annotations

from array import array
from random import Random

import pytest
from maple_trees import ALLOC, RCU, TOP, Tree, value
from model import Map, validate

from mmtwin.kernels.ktree.dump import Dump
from mmtwin.kernels.ktree.image import image
from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple import batch
from modes import COMPILED

ERAS = ("6.1", "6.6", "6.12", "6.16", "6.18")


def words(numbers: object) -> array[int]:
    return array("Q", numbers)  # type: ignore[call-overload]


def dump_of(tree: Tree) -> Dump:
    return Dump(image(tree.maple, tree.address))


def same(tree: Tree, other: Tree) -> None:
    mine, its = dump_of(tree), dump_of(other)
    assert mine == its, mine.differences(its)


def store_both(tree: Tree, other: Tree, ranges: list[tuple[int, int, int]]) -> None:
    """In one call on ``tree``, one by one on ``other``."""
    firsts, lasts, entries = (words(column) for column in zip(*ranges, strict=True))
    assert batch.store_many(tree.maple, tree.address, firsts, lasts, entries, GFP_KERNEL) == len(
        ranges
    )
    for first, last, entry in ranges:
        other.maple.mtree_store_range(other.address, first, last, entry, GFP_KERNEL)


@pytest.mark.parametrize("flags", [0, ALLOC, RCU, ALLOC | RCU])
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("domain", "longest"), [(60, 6), (600, 12), (6000, 9), (1 << 40, 1 << 30)])
def test_stores(domain: int, longest: int, era: str, flags: int) -> None:
    draw = Random(f"{domain} {era} {flags}")
    tree, other = Tree(flags, era), Tree(flags, era)
    for _ in range(30 if COMPILED else 6):
        ranges = []
        for _ in range(60):
            first = draw.randrange(domain)
            last = first + draw.randrange(longest if draw.randrange(20) else 20 * longest)
            if draw.randrange(80) == 0:
                last = TOP
            ranges.append((first, last, 0 if draw.randrange(3) == 0 else value(len(ranges))))
        store_both(tree, other, ranges)
        same(tree, other)
    validate(tree)
    tree.settled()


@pytest.mark.parametrize("flags", [0, ALLOC])
@pytest.mark.parametrize("era", ["6.1", "6.18"])
@pytest.mark.parametrize("order", ["up", "down", "inside out"])
@pytest.mark.parametrize("gap", [0, 5])
def test_stores_in_order(order: str, gap: int, era: str, flags: int) -> None:
    """Runs up and down fill leaves to different sides; each is cut and shared in its own way."""
    count = 1500 if COMPILED else 300
    numbers = list(range(count))
    if order == "down":
        numbers.reverse()
    elif order == "inside out":
        numbers.sort(key=lambda n: abs(2 * n - count))
    tree, other = Tree(flags, era), Tree(flags, era)
    for start in range(0, count, 50):
        part = numbers[start : start + 50]
        store_both(tree, other, [(n * 10, n * 10 + 9 - gap, value(n)) for n in part])
        same(tree, other)
    validate(tree)
    tree.settled()


@pytest.mark.parametrize("flags", [0, ALLOC, ALLOC | RCU])
@pytest.mark.parametrize("era", ["6.1", "6.18"])
def test_all_loops(era: str, flags: int) -> None:
    """Load, erase, find and fill do what their single calls do."""
    draw = Random(f"{era} {flags}")
    count = 700 if COMPILED else 150
    tree, other, reference = Tree(flags, era), Tree(flags, era), Map()
    ranges = [(n * 10, n * 10 + draw.randrange(10), value(n)) for n in range(count)]
    draw.shuffle(ranges)
    store_both(tree, other, ranges)
    for first, last, entry in ranges:
        reference.store(first, last, entry >> 1)

    wanted = words(draw.randrange(10 * count + 50) for _ in range(count))
    found = words(bytes(8 * count))
    hits = batch.load_many(tree.maple, tree.address, wanted, found)
    assert list(found) == [other.maple.mtree_load(other.address, index) for index in wanted]
    assert hits == sum(1 for entry in found if entry)

    batch.erase_many(tree.maple, tree.address, wanted, found)
    assert list(found) == [other.maple.mtree_erase(other.address, index) for index in wanted]
    for index in wanted:
        reference.erase(index)
    same(tree, other)

    for low, high in ((0, TOP), (333, 5 * count), (10 * count, TOP)):
        firsts, lasts, entries = (words(bytes(8 * count)) for _ in range(3))
        n = batch.find_many(tree.maple, tree.address, low, high, firsts, lasts, entries)
        expected = [(a, b, value(m)) for a, b, m in reference.entries() if b >= low and a <= high]
        assert list(zip(firsts[:n], lasts[:n], entries[:n], strict=True)) == expected

    if flags & ALLOC:
        for from_top in (True, False):
            sizes = words(draw.randrange(1, 30) for _ in range(count // 3))
            given = words(value(n) for n in range(len(sizes)))
            places = words(bytes(8 * len(sizes)))
            done = batch.fill_many(
                tree.maple, tree.address, 5, 11 * count, sizes, given, places, from_top, GFP_KERNEL
            )
            for size, entry, place in zip(sizes[:done], given, places, strict=False):
                look = reference.highest if from_top else reference.lowest
                assert place == look(5, 11 * count, size)
                reference.store(place, place + size - 1, entry >> 1)
                other.maple.mtree_store_range(
                    other.address, place, place + size - 1, entry, GFP_KERNEL
                )
            same(tree, other)
    validate(tree, reference)
    tree.settled()


def test_bad_ranges_and_entries_stop_a_batch() -> None:
    tree = Tree(ALLOC)
    tree.store(0, 9, 1)
    for first, last, entry in ((9, 8, value(1)), (1, 2, 0x402)):
        stored = batch.store_many(
            tree.maple,
            tree.address,
            words([20, first, 30]),
            words([25, last, 35]),
            words([value(2), entry, value(3)]),
            GFP_KERNEL,
        )
        assert stored == 1
        assert tree.load(30) is None
