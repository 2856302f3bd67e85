"""Reading directly finds what the kernel's walks find, and leaves a state where they leave it."""

from __future__ import annotations

from array import array
from random import Random

import pytest

from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple import batch
from mmtwin.maple.direct import Direct
from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState
from mmtwin.memory.allocator import Arena
from mmtwin.memory.errors import BadAccess
from mmtwin.memory.memory import DIRECT_MAP, Memory

TOP = (1 << 64) - 1
ALLOC_RANGE = 1


def engine(era: str, bits: int = 64, big_endian: bool = False) -> tuple[Maple, int]:
    base = DIRECT_MAP if bits == 64 else 0xC0000000
    memory = Memory(1 << 24, base=base, big_endian=big_endian)
    maple = Maple(memory, Arena(memory, 256, 256, "maple_node"), era=era, bits=bits)
    tree = memory.boot_alloc(32, 16)
    maple.mt_init_flags(tree, ALLOC_RANGE)
    return maple, tree


def scatter(maple: Maple, tree: int, draw: Random, domain: int, count: int) -> None:
    """Random stores and erasures; the highest index now and then, and entries at 0."""
    for number in range(count):
        first = draw.randrange(domain)
        last = min(first + draw.randrange(1 + domain // count), TOP)
        if draw.randrange(40) == 0:
            last = TOP
        entry = 0 if draw.randrange(4) == 0 else number << 1 | 1
        assert maple.mtree_store_range(tree, first, last, entry, GFP_KERNEL) == 0


def position(mas: MaState) -> tuple[int, ...]:
    return mas.status, mas.node, mas.offset, mas.min, mas.max, mas.index, mas.last, mas.depth


@pytest.mark.parametrize("era", ["6.1", "6.18"])
@pytest.mark.parametrize(
    ("domain", "count"), [(40, 30), (300, 80), (4000, 400), (1 << 40, 600), (TOP, 300)]
)
def test_direct_reading_agrees_with_the_walks(era: str, domain: int, count: int) -> None:
    draw = Random(domain + count)
    maple, tree = engine(era)
    direct = Direct(maple, tree)
    for _ in range(6):
        scatter(maple, tree, draw, domain, count // 3)
        if not direct.readable():
            continue
        for _ in range(60):
            index = draw.choice((draw.randrange(domain), 0, TOP))
            mas = MaState(tree, index)
            entry = maple.mas_walk(mas)
            assert direct.load(index) == direct.enter(index) == entry
            assert (direct.low, direct.high) == (mas.index, mas.last)
            if direct.high < TOP:
                mas.set(direct.high + 1)
                assert (direct.onward(), direct.low, direct.high) == (
                    maple.mas_walk(mas),
                    mas.index,
                    mas.last,
                )
        for _ in range(120):
            low, high = sorted(draw.choice((draw.randrange(domain), 0, TOP)) for _ in "ab")
            size = 1 + draw.randrange(draw.choice((3, domain // 50 + 1, domain)))
            if high - low < size:
                continue
            for from_top in (False, True):
                ours, its = MaState(tree, low), MaState(tree, low)
                search = maple.mas_empty_area_rev if from_top else maple.mas_empty_area
                error = search(its, low, high, size)
                assert direct.place(ours, low, high, size, from_top) == (error == 0)
                if not error:
                    assert position(ours) == position(its)


@pytest.mark.parametrize(("bits", "big_endian"), [(64, False), (64, True), (32, False)])
def test_batches_do_what_single_calls_do(bits: int, big_endian: bool) -> None:
    maple, tree = engine("6.1", bits, big_endian)
    draw = Random(bits)
    top = (1 << bits) - 1
    for filled in (0, 1, 400):
        cells = draw.sample(range(1, 1000), filled)
        firsts = array("Q", [64 * cell + draw.randrange(8) for cell in cells])
        lasts = array("Q", [first + draw.randrange(50) for first in firsts])
        entries = array("Q", [cell << 1 | 1 for cell in cells])
        assert batch.store_many(maple, tree, firsts, lasts, entries, GFP_KERNEL) == filled
        indexes = array("Q", [draw.randrange(65_000) for _ in range(500)])
        found = array("Q", bytes(8 * 500))
        expected = [maple.mtree_load(tree, index) for index in indexes]
        assert batch.load_many(maple, tree, indexes, found) == sum(map(bool, expected))
        assert list(found) == expected
        for low, high in ((0, top), (3000, 40_000), (firsts[0], lasts[0]) if filled else (1, 1)):
            assert listed(maple, tree, low, high, batched=True) == listed(maple, tree, low, high)
        lows = array("Q", [draw.randrange(60_000) for _ in range(200)])
        sizes = array("Q", [1 + draw.randrange(130) for _ in range(200)])
        places = array("Q", bytes(8 * 200))
        for from_top in (False, True):
            hits = batch.search_many(maple, tree, lows, 65_000, sizes, places, from_top)
            wanted = [
                searched(maple, tree, low, 65_000, size, from_top)
                for low, size in zip(lows, sizes, strict=True)
            ]
            assert list(places) == wanted
            assert hits == sum(place != TOP for place in wanted)


def listed(
    maple: Maple, tree: int, low: int, high: int, batched: bool = False
) -> list[tuple[int, int, int]]:
    if batched:
        columns = [array("Q", bytes(8 * 1000)) for _ in range(3)]
        count = batch.find_many(maple, tree, low, high, *columns)
        return list(zip(*(column[:count] for column in columns), strict=True))
    found = []
    mas = MaState(tree, low)
    while entry := maple.mas_find(mas, high):
        found.append((mas.index, mas.last, entry))
    return found


def searched(maple: Maple, tree: int, low: int, high: int, size: int, from_top: bool) -> int:
    mas = MaState(tree, low)
    search = maple.mas_empty_area_rev if from_top else maple.mas_empty_area
    return TOP if search(mas, low, high, size) else mas.index


def test_filling_goes_on_where_the_search_stood() -> None:
    one, other = engine("6.1"), engine("6.1")
    draw = Random(7)
    for maple, tree in (one, other):
        scatter(maple, tree, Random(3), 100_000, 500)
    sizes = array("Q", [1 + draw.randrange(300) for _ in range(300)])
    entries = array("Q", [5001 + 2 * number for number in range(300)])
    for from_top in (False, True):
        maple, tree = one
        places = array("Q", bytes(8 * 300))
        done = batch.fill_many(
            maple, tree, 10, 90_000, sizes, entries, places, from_top, GFP_KERNEL
        )
        maple, tree = other
        for place, size, entry in list(zip(places, sizes, entries, strict=True))[:done]:
            mas = MaState(tree, 0)
            search = maple.mas_empty_area_rev if from_top else maple.mas_empty_area
            assert search(mas, 10, 90_000, size) == 0
            assert mas.index == place
            assert maple.mas_store_gfp(mas, entry, GFP_KERNEL) == 0
        if done < 300:
            assert searched(maple, tree, 10, 90_000, sizes[done], from_top) == TOP
        assert listed(*one, 0, TOP) == listed(*other, 0, TOP)


def test_a_damaged_tree_is_told_of() -> None:
    maple, tree = engine("6.1")
    for number in range(100):
        maple.mtree_store_range(tree, 10 * number, 10 * number + 4, 3, GFP_KERNEL)
    memory = maple.memory
    root = maple.root(tree)
    direct = Direct(maple, tree)
    slot = (root & ~255) + 80
    child = memory.load(slot)
    memory.store(slot, root & ~2)
    with pytest.raises(RuntimeError, match="deeper"):
        direct.load(3)
    with pytest.raises(RuntimeError, match="deeper"):
        direct.hole_up(0, TOP, 5)
    memory.store(slot, 0x1234_0000_0000_000C)
    with pytest.raises(BadAccess):
        direct.enter(3)
    memory.store(slot, child)
    assert direct.load(3) == 3
