"""Every allocation of every operation fails: the first, the second, ... until it succeeds.

Each point is tried twice: only this allocation fails, and this and all after it. As long as the
operation fails the tree's bytes are what they were, nothing leaks and the error is the documented
one; when it succeeds the tree is valid and holds what the model holds.

    python -m pytest -q -s tests/maple/test_allocation_failures.py

prints how many points there are; ``--deep`` takes all eras and kinds of trees.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from maple_trees import ALLOC, RCU, FailAt, Tree, value
from model import Map, validate
from store_paths import PATHS, node_bytes

from mmtwin.check.step import StepCheck
from mmtwin.machine.gfp import GFP_KERNEL, GFP_NOWAIT
from mmtwin.rangemap import MapleTree
from modes import sample

ENOMEM = -12
ERAS = ("6.1", "6.6", "6.12", "6.16", "6.18")
FLAGS = (0, ALLOC, RCU, ALLOC | RCU)
QUICK = {(ALLOC | RCU, "6.1"), (ALLOC | RCU, "6.18")}
"""The rest is for the deep run."""
POINTS_MAX = 90
Ranges = list[tuple[int, int, int]]

counted: Counter[tuple[str, str]] = Counter()
"""Points by (operation, path); one for each n, era, tree flags and manner of failing."""
distinct: set[tuple[str, str, int]] = set()


@pytest.fixture(scope="module", autouse=True)
def report() -> Iterator[None]:
    """Say how many points there were, for those who run with ``-s``."""
    yield
    by_operation: Counter[str] = Counter()
    for (operation, _), count in counted.items():
        by_operation[operation] += count
    print()
    for operation, count in by_operation.items():
        points = sum(1 for found in distinct if found[0] == operation)
        paths = len({found[1] for found in distinct if found[0] == operation})
        print(f"{operation:28} {paths:3} paths {points:5} points {count:7} failures")
    print(f"{len(distinct)} points (operation, path, n), {sum(counted.values())} failures in all")


class Case(NamedTuple):
    """An operation on a tree: ``run`` gives 0 or a negative error, ``apply`` does it to the model.

    ``retries``: a failure is made good with the caller's flags, so that one failing allocation
    alone does no harm.
    """

    operation: str
    path: str
    ranges: Ranges
    run: Callable[[Tree, int], int]
    apply: Callable[[Map], object]
    retries: bool = True
    flags: int = 0
    """tree flags that it needs"""
    not_in: tuple[str, ...] = ()


def store_cases() -> Iterator[Case]:
    """The ways of a store, through every entry point that stores."""
    for path, (ranges, (first, last, number)) in PATHS.items():
        entry = 0 if number is None else value(number)

        def store_range(
            tree: Tree, gfp: int, first: int = first, last: int = last, entry: int = entry
        ) -> int:
            return tree.maple.mtree_store_range(tree.address, first, last, entry, gfp)

        def store_gfp(
            tree: Tree, gfp: int, first: int = first, last: int = last, entry: int = entry
        ) -> int:
            mas = tree.state(first, last)
            error = tree.maple.mas_store_gfp(mas, entry, gfp)
            tree.maple.mas_destroy(mas)
            return error

        def bare_store(
            tree: Tree, gfp: int, first: int = first, last: int = last, entry: int = entry
        ) -> int:
            mas = tree.state(first, last)
            tree.maple.mas_store(mas, entry)
            error = mas.error()
            tree.maple.mas_destroy(mas)
            return error

        def prealloc(
            tree: Tree, gfp: int, first: int = first, last: int = last, entry: int = entry
        ) -> int:
            mas = tree.state(first, last)
            error = tree.maple.mas_preallocate(mas, entry, gfp)
            if error == 0:
                tree.maple.mas_store_prealloc(mas, entry)
            assert tree.maple.mas_allocated(mas) == 0
            return error

        def apply(
            reference: Map, first: int = first, last: int = last, number: int | None = number
        ) -> None:
            reference.store(first, last, number)

        yield Case("mtree_store_range", path, ranges, store_range, apply)
        yield Case("mas_store_gfp", path, ranges, store_gfp, apply)
        yield Case("mas_store", path, ranges, bare_store, apply, retries=False)
        yield Case("mas_preallocate", path, ranges, prealloc, apply, retries=False)


SPACED: Ranges = [(i * 10, i * 10 + 4, i) for i in range(30)]
PACKED: Ranges = [(i * 10, i * 10 + 9, i) for i in range(40)]
FULL_LEAF: Ranges = [(i * 10, i * 10 + 4, i) for i in range(7)]
TALL: Ranges = [(i * 10, i * 10 + 4, i) for i in range(200)]


def insert(first: int, last: int) -> Callable[[Tree, int], int]:
    return lambda tree, gfp: tree.maple.mtree_insert_range(tree.address, first, last, value(7), gfp)


def erased(tree: Tree, index: int) -> int:
    """An erase tells the entry whether or not it could remove it; the state tells the error."""
    mas = tree.state(index)
    assert tree.maple.mas_erase(mas) != 0
    error = mas.error()
    tree.maple.mas_destroy(mas)
    return error


def allocated(tree: Tree, size: int, gfp: int, from_top: bool) -> int:
    how = tree.maple.mtree_alloc_rrange if from_top else tree.maple.mtree_alloc_range
    return how(tree.address, value(7), size, 0, 5000, gfp)[0]


def taken(reference: Map, size: int, from_top: bool) -> None:
    look = reference.highest if from_top else reference.lowest
    first = look(0, 5000, size)
    assert first is not None
    reference.store(first, first + size - 1, 7)


def filled(tree: Tree, size: int, gfp: int, from_top: bool) -> int:
    mas = tree.state()
    find = tree.maple.mas_empty_area_rev if from_top else tree.maple.mas_empty_area
    assert find(mas, 0, 5000, size) == 0
    error = tree.maple.mas_store_gfp(mas, value(7), gfp)
    tree.maple.mas_destroy(mas)
    return error


def bulk(tree: Tree, count: int) -> int:
    """A bulk load, without readers as in fork."""
    readers = tree.maple.mt_in_rcu(tree.address)
    tree.maple.mt_clear_in_rcu(tree.address)
    mas = tree.state()
    error = tree.maple.mas_expected_entries(mas, count)
    if error == 0:
        for i in range(count):
            mas.set_range(i * 10, i * 10 + 4)
            tree.maple.mas_store(mas, value(i))
            assert not mas.is_err()
    tree.maple.mas_destroy(mas)
    if readers:
        tree.maple.mt_set_in_rcu(tree.address)
    return error


def dup(tree: Tree, gfp: int) -> int:
    new = tree.memory.boot_alloc(64, 64)
    tree.maple.mt_init_flags(new, tree.maple.flags(tree.address) & ~0x7C)
    error = tree.maple.mtree_dup(tree.address, new, gfp)
    if error:
        assert tree.maple.mtree_empty(new)
        return error
    old, tree.address = str(tree), new
    assert str(tree) == old
    validate(tree)
    tree.maple.mtree_destroy(new)
    tree.maple.rcu_barrier()
    return 0


def other_cases() -> Iterator[Case]:
    """Everything else that allocates nodes."""
    for path, ranges, first, last in (
        ("into an empty tree", [], 5, 9),
        ("into a gap", SPACED, 55, 57),
        ("a full leaf", FULL_LEAF, 5, 7),
        ("a full leaf's sibling has room", PACKED, 400, 410),
        ("three levels", TALL, 1006, 1007),
    ):
        yield Case(
            "mtree_insert_range",
            path,
            ranges,
            insert(first, last),
            lambda reference, first=first, last=last: reference.store(first, last, 7),  # type: ignore[misc]
        )
    for path, ranges, index in (
        ("a node store", SPACED, 52),
        ("the last entry", [(5, 9, 1)], 5),
        ("with a rebalance", SPACED[:12], 22),
        ("across leaves", PACKED, 79),
        ("three levels", TALL, 1003),
    ):
        yield Case(
            "mas_erase",
            path,
            ranges,
            lambda tree, gfp, index=index: erased(tree, index),  # type: ignore[misc]
            lambda reference, index=index: reference.erase(index),  # type: ignore[misc]
        )
    for from_top, name in ((False, "mtree_alloc_range"), (True, "mtree_alloc_rrange")):
        for path, ranges, size in (
            ("in an empty tree", [], 30),
            ("in a full leaf", FULL_LEAF, 3),
            ("small", SPACED, 5),
            ("large", SPACED, 300),
            ("three levels", TALL, 5),
        ):
            yield Case(
                name,
                path,
                ranges,
                lambda tree, gfp, size=size, top=from_top: allocated(tree, size, gfp, top),  # type: ignore[misc]
                lambda reference, size=size, top=from_top: taken(reference, size, top),  # type: ignore[misc]
                flags=ALLOC,
            )
            yield Case(
                "mas_empty_area" + ("_rev" if from_top else ""),
                path,
                ranges,
                lambda tree, gfp, size=size, top=from_top: filled(tree, size, gfp, top),  # type: ignore[misc]
                lambda reference, size=size, top=from_top: taken(reference, size, top),  # type: ignore[misc]
                flags=ALLOC,
            )
    yield Case(
        "mtree_alloc_cyclic",
        "the first index behind",
        FULL_LEAF,
        lambda tree, gfp: tree.maple.mtree_alloc_cyclic(tree.address, value(7), 0, 90, 6, gfp)[0],
        lambda reference: reference.store(6, 6, 7),
        flags=ALLOC,
    )
    for count in (10, 40, 100):
        yield Case(
            "mas_expected_entries",
            f"{count} entries",
            [],
            lambda tree, gfp, count=count: bulk(tree, count),  # type: ignore[misc]
            lambda reference, count=count: [  # type: ignore[misc]
                reference.store(i * 10, i * 10 + 4, i) for i in range(count)
            ],
            retries=False,
            not_in=("6.18",),
        )
    for path, ranges in (("a leaf", FULL_LEAF), ("two levels", SPACED), ("three levels", TALL)):
        yield Case("mtree_dup", path, ranges, dup, lambda reference: None, retries=False)


CASES = [*store_cases(), *other_cases()]


def sound(tree: Tree) -> None:
    """No rule of the checks is broken."""
    era = tree.maple.era
    checks = StepCheck(
        tree.memory,
        nodes=tree.arena,
        rcu_list=tree.maple.rcu_list,
        unprepared=tree.maple.unprepared,
        root_at=era.root_offset,
        flags_at=era.flags_offset,
        old_metadata=era.gap_none != 0,
    )
    assert checks.full([tree.address]) == []


def built(case: Case, flags: int, era: str) -> tuple[Tree, Map]:
    tree, reference = Tree(flags, era, size=1 << 22, journal=True), Map()
    for first, last, number in case.ranges:
        assert tree.store(first, last, number) == 0
        reference.store(first, last, number)
    tree.maple.rcu_barrier()
    return tree, reference


@pytest.mark.parametrize(
    ("case", "flags", "era"),
    [
        pytest.param(
            case,
            flags,
            era,
            id=f"{case.operation}: {case.path}-{flags}-{era}",
            marks=() if (flags, era) in QUICK else pytest.mark.deep,
        )
        for case in sample(CASES, 3)
        for flags in FLAGS
        for era in ERAS
        # The era must have the operation, and the tree track its gaps where that needs them.
        if era not in case.not_in and not case.flags & ~flags
    ],
)
def test_every_allocation_fails(case: Case, flags: int, era: str) -> None:
    for onwards in (True, False):
        all_points(case, era, flags, onwards)


def all_points(case: Case, era: str, flags: int, onwards: bool) -> None:
    """Fail the first allocation, then the second, ... until the operation succeeds."""
    tree, reference = built(case, flags, era)
    before, words = str(tree), node_bytes(tree)
    gfp = GFP_NOWAIT if onwards else GFP_KERNEL
    for n in range(1, POINTS_MAX):
        tree.arena.injector = FailAt(n, onwards)
        error = case.run(tree, gfp)
        met = tree.arena.injector.asked >= n
        tree.arena.injector = None
        if met:
            counted[case.operation, case.path] += 1
            distinct.add((case.operation, case.path, n))
        if error == 0 and met and case.operation != "mtree_dup":
            # Made good by another try: begin afresh for the next point.
            assert case.retries
            checked(tree, case, reference)
            tree, reference = built(case, flags, era)
        elif error == 0:
            checked(tree, case, reference)
            return
        else:
            assert error == ENOMEM
            assert not case.retries or onwards
            assert str(tree) == before
            assert node_bytes(tree) == words
            sound(tree)
            tree.settled()
    pytest.fail("the operation never succeeds")


def checked(tree: Tree, case: Case, reference: Map) -> None:
    """The operation has succeeded: the tree is valid and holds what it should."""
    if case.operation == "mtree_dup":
        return
    case.apply(reference)
    validate(tree, reference)
    sound(tree)
    tree.settled()


# The range map.


def split(tree: MapleTree[int]) -> None:
    tree[502:503] = -1


def cover(tree: MapleTree[int]) -> None:
    tree[333:777] = -1


def cover_rest(tree: MapleTree[int]) -> None:
    tree[300:] = -1


def remove(tree: MapleTree[int]) -> None:
    del tree[333:777]


def put_into_gap(tree: MapleTree[int]) -> None:
    tree.insert(1006, 1008, -1)


def take_room(tree: MapleTree[int]) -> None:
    tree.allocate(5, -1)


def take_room_from_top(tree: MapleTree[int]) -> None:
    tree.allocate(5, -1, high=2000, from_top=True)


def erase_one(tree: MapleTree[int]) -> None:
    tree.erase(503)


def store_many(tree: MapleTree[int]) -> None:
    tree.store_many([502], [503], [-1])


CHANGES = (
    split,
    cover,
    cover_rest,
    remove,
    put_into_gap,
    take_room,
    take_room_from_top,
    erase_one,
    store_many,
    MapleTree.clear,
)
SEARCHING = (take_room, take_room_from_top)
"""Those that a map without gaps cannot do."""


@pytest.mark.parametrize(
    ("change", "gaps"),
    [
        *((change, True) for change in CHANGES),
        *((change, False) for change in CHANGES if change not in SEARCHING),
    ],
)
@pytest.mark.parametrize("step", [10, 5])
def test_every_allocation_of_the_range_map_fails(
    change: Callable[[MapleTree[int]], None], gaps: bool, step: int
) -> None:
    """MemoryError, and the map, its count and its values are what they were."""
    for onwards in (True, False):
        for n in range(1, POINTS_MAX):
            tree = MapleTree((i * step, i * step + 5, i) for i in range(200))
            if not gaps:
                tree = MapleTree(((a, b + 1, v) for a, b, v in tree), gaps=False)
            before, held, nodes = list(tree), entries(tree), tree.core.slab.in_use()
            tree.core.slab.injector = FailAt(n, onwards)
            try:
                change(tree)
            except MemoryError:
                assert list(tree) == before
                assert len(tree) == len(before)
                assert entries(tree) == held
                assert tree.core.slab.in_use() == nodes
            met = tree.core.slab.injector.asked >= n
            tree.core.slab.injector = None
            if not met:
                break
            counted["MapleTree (range map)", change.__name__] += 1
            distinct.add(("MapleTree (range map)", change.__name__, n))
            change(tree)
            assert len(tree) == len(list(tree))
        else:
            pytest.fail("the operation never succeeds")


def entries(tree: MapleTree[int]) -> list[int]:
    return [tree.core.load(first) for first, _, _ in tree]
