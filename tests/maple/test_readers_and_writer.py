"""A reader beside a writer, at every point where the writer can stand.

    python -m pytest -q -s tests/maple/test_readers_and_writer.py

prints how many interleavings were tried; with ``--deep`` there are many more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations, product
from random import Random
from typing import TypeVar

import pytest
from interleave import (
    POINT_READERS,
    READERS,
    Look,
    Scene,
    Step,
    Watched,
    load,
    run,
    scene,
    walk,
)
from maple_trees import ALLOC, RCU, TOP
from store_paths import PATHS

from mmtwin.memory.errors import PoisonedAccess
from mmtwin.regressions.append_under_readers import AppendUnderReaders
from modes import COMPILED

ERAS = (
    "6.1",
    *(pytest.param(era, marks=pytest.mark.deep) for era in ("6.6", "6.12", "6.16")),
    "6.18",
)
QUICK = (
    "store_root",
    "root beside a direct entry",
    "new_root",
    "exact_fit",
    "append",
    "slot_store",
    "node_store",
    "split_store",
    "spanning_store in the middle",
)
"""Paths on small trees, tried in plain Python as well."""

MOST = 100
"""Interleavings of a kind that the long test tries for one reader of one store."""

T = TypeVar("T")

tried: Counter[str] = Counter()


@pytest.fixture(scope="module", autouse=True)
def report() -> Iterator[None]:
    """Say how many interleavings there were, for those who run with ``-s``."""
    yield
    print()
    for what, count in tried.items():
        print(f"{what:40} {count:9}")


def looks(step: Step, around: int = 12) -> list[Look]:
    """What readers look at: the ends of the store and the indexes beside them, and all ranges
    from a little before it to a little behind it."""
    first, last, _ = step
    low, high = max(first - around, 0), min(last + around, TOP)
    indexes = sorted({max(first - 1, 0), first, last, min(last + 1, TOP)})
    found: list[Look] = []
    for reader in READERS:
        if reader in POINT_READERS:
            found += [(reader, index, index) for index in indexes]
        else:
            found.append((reader, low, high))
    return found


def nobody_waits_in_vain(told: Scene, era: str) -> None:
    """Up to 6.5 the old node is dead before the new one is there, and readers start again and
    again until it is. From 6.6 a lookup never waits; a step to the next node may, until the writer
    has told the children of a new node who their parent is."""
    turns = told.tree.turns
    if era != "6.1":
        assert not {load, walk} & turns.waiting.keys()
    tried[f"{era}: readers that waited"] += turns.waiting.total()


def at_every_point(told: Scene, look: Look, era: str) -> None:
    """The reader looks when the writer stands still at each point."""
    for point in told.points:
        run(told, look, [(0, point)])
        tried[f"{era}: the writer stands still"] += 1


def suspended(told: Scene, look: Look, era: str, most: int | None = None) -> None:
    """The reader is suspended before each of its loads while the writer goes on to each point."""
    start = told.points[0]
    loads = range(1, run(told, look, [(0, start)]))
    for nth, point in some(list(product(loads, told.points[1:])), most, look):
        run(told, look, [(0, start), (nth, point)])
        tried[f"{era}: the reader stands still once"] += 1


def suspended_between(told: Scene, look: Look, era: str, most: int) -> None:
    """The same, with the writer under way before the reader begins, and two rests."""
    start, end = told.points[0], told.points[-1]
    loads = range(1, run(told, look, [(0, start)]))
    for (begin, point), nth in some(list(product(combinations(told.points, 2), loads)), most, look):
        run(told, look, [(0, begin), (nth, point)])
        tried[f"{era}: both on their way"] += 1
    for (one, other), point in some(
        list(product(combinations(loads, 2), told.points[1:-1])), most, look
    ):
        run(told, look, [(0, start), (one, point), (other, end)])
        tried[f"{era}: the reader stands still twice"] += 1


def some(cases: list[T], most: int | None, look: Look) -> list[T]:
    """All cases, or ``most`` of them at random."""
    if most is None or len(cases) <= most:
        return cases
    return Random(f"{look[0].__name__} {look[1:]} {len(cases)}").sample(cases, most)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("path", PATHS if COMPILED else QUICK)
def test_every_point_of_a_store(path: str, era: str) -> None:
    ranges, step = PATHS[path]
    told = scene(ranges, [step], era=era)
    for look in looks(step):
        at_every_point(told, look, era)
        if len(told.points) < 8 or look[0] in (load, walk):
            suspended(told, look, era)
    nobody_waits_in_vain(told, era)


@pytest.mark.deep
@pytest.mark.parametrize("flags", [RCU, ALLOC | RCU])
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("path", PATHS)
def test_every_point_of_a_store_and_two_rests(path: str, era: str, flags: int) -> None:
    ranges, step = PATHS[path]
    told = scene(ranges, [step], era=era, flags=flags)
    for look in looks(step):
        at_every_point(told, look, era)
        suspended(told, look, era, MOST)
        if look[0] in POINT_READERS or len(told.points) < 8:
            suspended_between(told, look, era, MOST)
    nobody_waits_in_vain(told, era)


def random_scene(draw: Random, era: str, count: int) -> tuple[Scene, list[Step]]:
    """A tree with some ranges, then several stores without the end of a grace period."""

    def step(number: int) -> Step:
        first = draw.randrange(count * 10)
        length = draw.choice((1, 3, 12, 40, 200, 900))
        return first, first + draw.randrange(length), number if draw.randrange(3) else None

    ranges: list[Step] = [
        (i * 10, i * 10 + draw.randrange(10), i) for i in range(count) if draw.randrange(8)
    ]
    steps = [step(1000 + n) for n in range(draw.randrange(1, 7))]
    flags = draw.choice((RCU, ALLOC | RCU))
    return scene(ranges, steps, era=era, flags=flags), steps


def wander(seed: str, era: str, runs: int) -> None:
    """A random tree, and readers who stand still where and as often as chance has it."""
    draw = Random(f"{seed} {era}")
    told, steps = random_scene(draw, era, draw.choice((5, 20, 60, 300)))
    for _ in range(runs):
        first, last, _ = draw.choice(steps)
        low = draw.randrange(max(first - 60, 0), last + 30)
        look: Look = (draw.choice(READERS), low, low + draw.randrange(200))
        rests = sorted(draw.sample(range(1, 120), draw.randrange(1, 6)))
        points = sorted(draw.choices(told.points, k=len(rests) + 1))
        run(told, look, list(zip([0, *rests], points, strict=True)))
        tried[f"{era}: at random"] += 1
    nobody_waits_in_vain(told, era)


@pytest.mark.parametrize("era", ERAS)
def test_random_interleavings(era: str) -> None:
    for seed in range(8 if COMPILED else 3):
        wander(f"quick {seed}", era, 150 if COMPILED else 40)


@pytest.mark.deep
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("seed", range(10))
def test_many_random_interleavings(seed: int, era: str) -> None:
    for part in range(2):
        wander(f"deep {seed} {part}", era, 400)


# The tests notice what they are to notice.


def everything(told: Scene, step: Step) -> None:
    for look in looks(step):
        at_every_point(told, look, "put back")
        suspended(told, look, "put back")


def test_a_tree_without_readers_in_mind_is_caught() -> None:
    """The same stores in a tree that is not in RCU mode."""
    ranges, step = PATHS["node_store"]
    with pytest.raises((AssertionError, PoisonedAccess)):
        everything(scene(ranges, [step], era="6.18", flags=ALLOC), step)


def test_appending_under_readers_is_caught() -> None:
    """The new entry is seen where the old one still is."""
    ranges, step = [(10, 19, 1), (20, 29, 2), (50, TOP, 3)], (50, 59, 4)
    everything(scene(ranges, [step], era="6.1"), step)
    with pytest.raises(AssertionError, match="4, but at"):
        everything(scene(ranges, [step], era="6.1", engine=AppendUnderReaders), step)


def test_freeing_before_the_readers_have_left_is_caught() -> None:
    ranges, step = PATHS["node_store"]
    told = scene(ranges, [step], era="6.18", barrier=True)
    told.points = told.positions
    with pytest.raises(PoisonedAccess) as caught:
        everything(told, step)
    assert caught.value.kind == "use-after-free"


def test_only_points_that_can_be_told_apart() -> None:
    """What is passed over is the filling of new nodes and the allocator's bookkeeping."""
    ranges, step = PATHS["split with a push"]
    told = scene(ranges, [step], era="6.18")
    assert len(told.points) < told.positions[-1] - told.positions[0]
    all_points = range(told.positions[0], told.positions[-1] + 1)
    for look in looks(step):
        states = {point: reading(told, look, point) for point in all_points}
        seen = states[told.points[0]]
        for point in all_points:
            if point in told.points:
                seen = states[point]
            assert states[point] == seen


def reading(told: Scene, look: Look, point: int) -> object:
    tree: Watched = told.tree
    tree.memory.go(point)
    return look[0](tree, *look[1:])
