"""What a map keeps alive, and for how long: the slots of a tree own their objects."""

from __future__ import annotations

import gc
import sys
import weakref
from random import Random

from mmtwin import MapleTree


class Thing:
    """An object whose end can be observed."""

    def __init__(self, about: object = None) -> None:
        self.about = about


def test_a_map_that_holds_itself_is_collected() -> None:
    t: MapleTree[Thing] = MapleTree((i, i + 1, Thing()) for i in range(500))
    gone = [weakref.ref(value) for value in t.values()]
    thing = Thing(t)
    gone.append(weakref.ref(thing))
    t[100:300] = thing
    t[150:160] = Thing(iter(t))
    del t, thing
    gc.collect()
    assert all(ref() is None for ref in gone)


def test_an_iterator_may_be_the_last_that_holds_a_map() -> None:
    """The collector, which met the map's memory before it, took that away first (a crash)."""
    gc.collect()
    gc.disable()
    try:
        t: MapleTree[Thing] = MapleTree((i, i + 1, Thing()) for i in range(500))
        gone = [weakref.ref(value) for value in t.values()]
        t[100:300] = Thing(t)
        t[150:160] = Thing(iter(t))
        del t
    finally:
        gc.enable()
    gc.collect()
    assert all(ref() is None for ref in gone)


def test_a_map_of_one_index_that_holds_itself_is_collected() -> None:
    t: MapleTree[Thing] = MapleTree()
    t[0] = Thing(t)
    gone = weakref.ref(t[0])
    del t
    gc.collect()
    assert gone() is None


def test_the_collector_leaves_what_a_map_holds() -> None:
    t = MapleTree((i, i + 1, [i]) for i in range(1000))
    for i in range(0, 1000, 7):
        gc.collect(i % 3)
        t[i : i + 3] = [i]
    assert sum(value[0] for value in t.values()) == sum(value[0] for _, _, value in t)
    assert [value for _, _, value in t][:4] == [[0], [3], [4], [5]]


def test_an_object_goes_when_map_copy_and_snapshot_have_gone() -> None:
    thing = Thing()
    before = sys.getrefcount(thing)
    t = MapleTree((i * 10, i * 10 + 9, thing) for i in range(300))
    copy, snapshot = t.copy(), t.snapshot()
    copy[5:2000] = 1
    t[7:8] = 2
    del t[1000:1500]
    assert snapshot[100] is thing
    assert copy[2001] is thing
    gone = weakref.ref(thing)
    del thing, t, copy
    gc.collect()
    assert gone() is snapshot[100]
    thing = snapshot[100]
    del snapshot
    gc.collect()
    assert sys.getrefcount(thing) == before


def test_maps_of_maps_of_maps_go_without_deep_recursion() -> None:
    inner = MapleTree()
    ended = Thing()
    gone = weakref.ref(ended)
    inner[0:10] = ended
    del ended
    for _ in range(3000):
        outer = MapleTree()
        outer[3:5] = inner
        inner = outer
    del inner, outer
    gc.collect()
    assert gone() is None


def test_tuples_that_somebody_keeps_stay_what_they_are() -> None:
    t = MapleTree((i * 10, i * 10 + 5, [i]) for i in range(200))
    kept = list(t)
    assert kept == [(i * 10, i * 10 + 4, [i]) for i in range(200)]
    every_third = [found for found in t if found[2][0] % 3 == 0]
    assert [start for start, _, _ in every_third] == list(range(0, 2000, 30))
    iterator = iter(t)
    first = next(iterator)
    second = next(iterator)
    assert (first, second) == (kept[0], kept[1])
    assert [start + last for start, last, _ in t] == [20 * i + 4 for i in range(200)]


def test_a_finalizer_in_the_middle_of_an_iteration() -> None:
    seen: list[tuple[int, int, object]] = []

    class Nosy:
        def __del__(self) -> None:
            seen.extend(iterator)

    t: MapleTree[object] = MapleTree([(0, 1, 0), (1, 2, 1), (2, 3, 2), (3, 4, 3)])
    t[1:2] = Nosy()
    iterator = iter(t)
    for start, _, _ in iterator:
        if start == 1:
            t[1:2] = None  # the object is now the iterator's only
    assert [start for start, _, _ in seen] in ([], [3])
    assert [value for _, _, value in t] == [0, None, 2, 3]


def test_counts_after_random_changes() -> None:
    things = [Thing() for _ in range(20)]
    before = [sys.getrefcount(thing) for thing in things]
    draw = Random(7)
    t = MapleTree()
    maps = [t]
    for _ in range(3000):
        some = draw.choice(maps)
        start = draw.randrange(2000)
        stop = start + draw.randrange(1, 60 if draw.randrange(10) else 900)
        if draw.randrange(3):
            some[start:stop] = draw.choice(things)
        elif draw.randrange(2):
            del some[start:stop]
        elif some.get(start) is not None:
            some.erase(start)
        if draw.randrange(200) == 0:
            maps.append(some.copy())
        if len(maps) > 4:
            del maps[draw.randrange(len(maps))]
    for some in maps:
        assert len(some) == len(list(some))
    del maps, some, t
    gc.collect()
    assert [sys.getrefcount(thing) for thing in things] == before
