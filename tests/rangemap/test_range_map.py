"""The range map, one promise at a time."""

from __future__ import annotations

import gc
import pickle
import random
import subprocess
import sys
import weakref
from array import array
from typing import Any

import pytest

import mmtwin
from mmtwin import MapleTree
from mmtwin.rangemap import NoRoom, Snapshot

END = 1 << 64


def test_it_is_exported_by_the_package() -> None:
    assert MapleTree.__module__.startswith("mmtwin.rangemap")
    assert "MapleTree" in dir(mmtwin)
    with pytest.raises(AttributeError, match="no attribute 'MappleTree'"):
        _ = mmtwin.MappleTree  # type: ignore[attr-defined]


def test_slices_are_half_open_and_tuples_inclusive() -> None:
    t = MapleTree()
    t[10:20] = "a"
    assert t[10] == t[19] == "a"
    assert 9 not in t
    assert 20 not in t
    assert list(t) == [(10, 19, "a")]


def test_an_assignment_cuts_and_splits() -> None:
    t = MapleTree([(0, 100, "a")])
    t[40:60] = "b"
    assert list(t) == [(0, 39, "a"), (40, 59, "b"), (60, 99, "a")]
    t[30:70] = "c"
    assert list(t) == [(0, 29, "a"), (30, 69, "c"), (70, 99, "a")]


def test_the_whole_index_space() -> None:
    t = MapleTree()
    t[:] = "all"
    assert list(t) == [(0, END - 1, "all")]
    assert t[END - 1] == "all"
    del t[5:]
    assert list(t) == [(0, 4, "all")]
    t[END - 1] = "last"
    assert t.last() == (END - 1, END - 1, "last")
    assert t.next(END - 1) is None
    assert t.prev(0) is None
    t[:END] = 1
    assert len(t) == 1


def test_neighbours_stay_apart_but_compare_as_one() -> None:
    t = MapleTree([(0, 10, "x"), (10, 20, "x")])
    assert len(t) == 2
    assert t == MapleTree([(0, 20, "x")])
    assert t != MapleTree([(0, 21, "x")])
    assert t != MapleTree([(0, 20, "y")])
    assert t != "x"


def test_none_is_a_value() -> None:
    t = MapleTree([(1, 2, None)])
    assert 1 in t
    assert t[1] is None
    assert t.get(1, "default") is None
    assert t.get(0, "default") == "default"


@pytest.mark.parametrize("index", [-1, END, -(1 << 70), 1 << 80])
def test_indexes_outside_are_refused(index: int) -> None:
    t = MapleTree()
    for use in (
        lambda: t[index],
        lambda: t.get(index),
        lambda: index in t,
        lambda: t.__setitem__(index, 1),
        lambda: t.__setitem__(slice(index, None), 1),
        lambda: t.find(index),
    ):
        with pytest.raises(IndexError):
            use()


@pytest.mark.parametrize("key", ["a", 1.5, None, (1, 2)])
def test_keys_are_integers(key: Any) -> None:
    with pytest.raises(TypeError):
        MapleTree()[key]


def test_anything_with_an_index_is_a_key() -> None:
    class Port:
        def __index__(self) -> int:
            return 80

    t = MapleTree()
    t[Port()] = "http"
    assert t[80] == t[Port()] == "http"
    t[True:3] = "bool"
    assert t[1] == "bool"


@pytest.mark.parametrize("span", [(5, 5), (6, 5), (None, 0)])
def test_empty_ranges_are_refused(span: tuple[int | None, int]) -> None:
    t = MapleTree()
    with pytest.raises(ValueError, match="empty"):
        t[span[0] : span[1]] = 1
    with pytest.raises(ValueError, match="empty"):
        del t[span[0] : span[1]]


def test_a_step_is_refused() -> None:
    with pytest.raises(ValueError, match="step"):
        MapleTree()[0:10:2] = 1


def test_missing_indexes_are_key_errors() -> None:
    t = MapleTree()
    for use in (lambda: t[3], lambda: t.__delitem__(3), lambda: t.erase(3)):
        with pytest.raises(KeyError):
            use()


def test_insert_refuses_what_is_taken() -> None:
    t = MapleTree([(10, 20, "a")])
    t.insert(20, 30, "b")
    with pytest.raises(ValueError, match=r"10 \.\. 19"):
        t.insert(0, 11, "c")
    assert list(t) == [(10, 19, "a"), (20, 29, "b")]


def test_allocation_takes_the_lowest_or_the_highest_place() -> None:
    t = MapleTree([(0, 10, "a"), (20, 30, "b")])
    assert t.allocate(10, "c") == 10
    assert t.allocate(16, "d", align=16) == 32
    assert t.allocate(2, "e", low=30, high=60, from_top=True) == 58
    assert t.allocate(1, "f", from_top=True) == END - 1
    assert t.find_gap(END - 1) is None
    with pytest.raises(NoRoom, match="no 5 free"):
        t.allocate(5, "g", low=0, high=30)


def test_allocation_is_exact_with_alignment() -> None:
    t = MapleTree([(0, 3, "a"), (7, 8, "b"), (24, 100, "c")])
    assert t.find_gap(4, high=100, align=8) == 8
    assert t.find_gap(4, high=24, align=8, from_top=True) == 16
    assert t.find_gap(3, high=24, align=4) == 4
    assert t.find_gap(16, high=24, align=8) == 8
    assert t.find_gap(17, high=24, align=1) is None


def test_a_map_without_gap_tracking_says_so() -> None:
    t = MapleTree([(1, 2, 3)], gaps=False)
    with pytest.raises(ValueError, match="gaps=False"):
        t.allocate(1, "x")
    assert list(t.gaps()) == [(0, 0), (2, END - 1)]
    assert pickle.loads(pickle.dumps(t)).core.gaps is False


def test_snapshots_stay_as_they_were() -> None:
    t = MapleTree([(i * 10, i * 10 + 5, i) for i in range(500)])
    before = list(t)
    snapshot = t.snapshot()
    assert isinstance(snapshot, Snapshot)
    t[100:2000] = "new"
    second = t.snapshot()
    del t[:]
    assert list(snapshot) == before
    assert second[150] == "new"
    assert not t
    assert snapshot.copy() == snapshot
    assert not hasattr(snapshot, "__setitem__")


def test_only_the_first_write_after_a_snapshot_copies() -> None:
    t = MapleTree([(1, 2, "a")])
    core = t.core
    t[5:6] = "b"
    assert t.core is core
    snapshot = t.snapshot()
    assert snapshot.core is core
    t[5:6] = "c"
    assert t.core is not core
    copied = t.core
    t[5:6] = "d"
    assert t.core is copied
    assert snapshot[5] == "b"


def test_a_snapshot_that_is_gone_costs_nothing() -> None:
    t = MapleTree([(1, 2, "a")])
    core = t.core
    snapshot = t.snapshot()
    del snapshot
    gc.collect()
    t[5:6] = "b"
    assert t.core is core


class Thing:
    """An object whose end can be observed."""


def test_values_live_as_long_as_some_of_their_range() -> None:
    t = MapleTree()
    thing = Thing()
    gone = weakref.ref(thing)
    t[0:100] = thing
    del thing
    t[40:60] = 1
    t[0:40] = 2
    assert gone() is not None
    assert t[99] is gone()
    t[10:99] = 3
    assert gone() is not None
    del t[99]
    assert gone() is None


def test_values_go_with_a_store_over_many_ranges() -> None:
    t = MapleTree()
    refs = []
    for i in range(200):
        thing = Thing()
        refs.append(weakref.ref(thing))
        t[i * 10 : i * 10 + 10] = thing
        del thing
    t[5:1995] = "all"
    assert [i for i, ref in enumerate(refs) if ref() is not None] == [0, 199]
    t.clear()
    assert all(ref() is None for ref in refs)


def test_values_of_a_snapshot_live_with_it() -> None:
    t = MapleTree()
    thing = Thing()
    gone = weakref.ref(thing)
    t[0:10] = thing
    del thing
    snapshot = t.snapshot()
    t.clear()
    assert snapshot[5] is gone()
    del snapshot
    gc.collect()
    assert gone() is None


def test_reference_counts_are_exact() -> None:
    thing = Thing()
    before = sys.getrefcount(thing)
    t = MapleTree()
    draw = random.Random(1)
    for _ in range(2000):
        start = draw.randrange(500)
        t[start : start + draw.randrange(1, 40)] = thing if draw.randrange(2) else 0
    t.clear()
    assert sys.getrefcount(thing) == before


def test_a_finalizer_may_use_the_map() -> None:
    t = MapleTree()
    seen = []

    class Loud:
        def __del__(self) -> None:
            seen.append(list(t))
            t[1000:1001] = "from a finalizer"

    t[0:10] = Loud()
    t[0:10] = "quiet"
    gc.collect()
    assert seen == [[(0, 9, "quiet")]]
    assert list(t) == [(0, 9, "quiet"), (1000, 1000, "from a finalizer")]


def test_changes_while_iterating() -> None:
    t = MapleTree([(i * 10, i * 10 + 5, i) for i in range(50)])
    seen = []
    for start, last, value in t:
        seen.append(value)
        del t[start : last + 1]
        if value >= 0:
            t[start + 6 : start + 8] = -1
    assert seen[:4] == [0, -1, 1, -1]
    assert [value for value in seen if value >= 0] == list(range(50))
    assert not t


def test_bulk_building() -> None:
    starts = array("Q", range(0, 1000, 10))
    stops = array("Q", range(5, 1005, 10))
    t = MapleTree.from_arrays(starts, stops, range(100))
    assert t == MapleTree(zip(starts, stops, range(100), strict=True))
    assert t.get_many(array("Q", [3, 7, 995])) == [0, None, None]
    assert t.get_many([3, 13], default=-1) == [0, 1]
    with pytest.raises(ValueError, match="100 starts, 100 stops and 1 values"):
        t.store_many(starts, stops, ["one"])
    with pytest.raises(ValueError, match="range 1 is empty"):
        t.store_many([1, 5], [2, 5], "ab")


def test_numpy_arrays() -> None:
    numpy = pytest.importorskip("numpy")
    starts = numpy.arange(0, 1000, 10, dtype=numpy.uint64)
    t = MapleTree.from_arrays(starts, starts + 5, range(100))
    assert t.get_many(starts) == list(range(100))
    assert t.get_many(starts.astype(numpy.int32) + 7) == [None] * 100
    assert t[starts[3]] == 3


def test_update_lays_one_map_over_another() -> None:
    t = MapleTree([(0, 10, "a")])
    t.update(MapleTree([(5, 15, "b")]))
    assert list(t) == [(0, 4, "a"), (5, 14, "b")]
    t.update(t)
    assert list(t) == [(0, 4, "a"), (5, 14, "b")]


def test_its_text_builds_it_again() -> None:
    t = MapleTree([(0x1000, 0x3000, "heap"), (7, 8, [1])])
    assert repr(t) == "MapleTree([(7, 8, [1]), (0x1000, 0x3000, 'heap')])"
    assert eval(repr(t)) == t
    many = MapleTree((i, i + 1, i) for i in range(20))
    assert repr(many).endswith("(7, 8, 7), ... 12 more])")
    assert repr(t.snapshot()).startswith("Snapshot(")


def test_its_picture_is_escaped_and_complete() -> None:
    t = MapleTree((i * 10, i * 10 + 5, f"<v{i}>") for i in range(300))
    page = t._repr_html_()
    assert "300 ranges" in page
    assert "&lt;v0&gt;" in page
    assert "<v0>" not in page
    assert "and 276 more" in page
    assert (
        MapleTree()._repr_html_()
        == "<div><b>MapleTree</b>: 0 ranges, 0 nodes (0 bytes) in 0 levels</div>"
    )


def test_stats_of_a_tall_map() -> None:
    t = MapleTree((i * 10, i * 10 + 5, i) for i in range(728))
    assert t.stats()["ranges"] == 728
    assert t.stats()["height"] == 4
    t.clear()
    assert t.stats() == {"ranges": 0, "height": 0, "nodes": 0, "bytes": 0}


def test_it_grows() -> None:
    t = MapleTree.from_arrays(range(0, 60000, 3), range(2, 60002, 3), range(20000))
    assert len(t) == 20000
    assert t[59998] == 19999
    snapshot = t.snapshot()
    t[0] = "x"
    assert snapshot[0] == 0


def test_it_can_be_written_with_its_values_type() -> None:
    assert MapleTree[int] is MapleTree
    assert MapleTree[str]([(1, 2, "a")])[1] == "a"


def test_it_cannot_be_hashed() -> None:
    with pytest.raises(TypeError):
        hash(MapleTree())


EXHAUSTED = """
import gc, resource
from pathlib import Path
from mmtwin import MapleTree

t = MapleTree([(0, 10, "a")])
t[20:30] = "b"
gc.collect()
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size, size))
stored = 0
try:
    while stored < 10_000:
        t[100 + stored * 10 : 105 + stored * 10] = "c"
        stored += 1
except MemoryError as error:
    why = str(error)
for change in ("t[5:6] = 1", "del t[5:6]", "t.erase(5)"):
    try:
        exec(change)
    except MemoryError:
        pass
    else:
        raise AssertionError(change)
assert (len(t), t[5], t[25], t[100 + (stored - 1) * 10]) == (stored + 2, "a", "b", "c")
assert t.find_gap(90, high=100 + stored * 10) is None
print(stored, why)
"""


def test_no_memory_changes_nothing() -> None:
    """A process that may map no more memory."""
    told = subprocess.run(
        [sys.executable, "-c", EXHAUSTED], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    stored, _, why = told.stdout.partition(" ")
    assert int(stored) > 100
    assert why.startswith("no room for")
