"""vma_merge's eight cases and splits: the stores, and the locks around them, in both kernels."""

import json

import pytest

from mmtwin.replay import merge_cases
from mmtwin.replay.merge_cases import CASES, KERNELS, tell

LOCKED = ["preallocate", "lock i_mmap_rwsem", "lock anon_vma rwsem"]
UNLOCKED = ["unlock anon_vma rwsem", "unlock i_mmap_rwsem"]
STORES = {
    "6.1": "0..6, 0..4, 2..6, 2..6, 0..4 4..6, 0..6, 0..4, 2..6, 2..4 0..2, 4..6",
    "6.18": "0..6, 0..4, 2..6, 2..6, 0..4, 0..6, 0..4, 2..6, 0..2, 4..6",
}
"""By kernel the stores of each case, in pages."""
AREAS = [
    [(0, 6)],
    [(0, 4), (4, 6)],
    [(0, 2), (2, 6)],
    [(0, 2), (2, 6)],
    [(0, 4), (4, 6)],
    [(0, 6)],
    [(0, 4), (4, 6)],
    [(0, 2), (2, 6)],
    [(0, 2), (2, 4), (4, 6)],
    [(0, 2), (2, 4), (4, 6)],
]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: CASES[n].name[:5].strip())
def test_one_preallocation_then_the_locks_then_the_stores(kernel, number):
    told = tell(CASES[number], kernel)
    stores = [f"store {span}" for span in STORES[kernel].split(", ")[number].split()]
    assert told.lines() == [*LOCKED, *stores, *UNLOCKED]
    assert list(told.areas) == AREAS[number]


def test_6_18_stores_once_in_every_case():
    for case in CASES:
        stores = [event for event in tell(case, "6.18").events if event.what == "store"]
        assert len(stores) == 1


def test_a_second_store_of_6_1_replaces_an_exact_range():
    for case in CASES:
        told = tell(case, "6.1")
        stores = [event for event in told.events if event.what == "store"]
        if len(stores) == 2:
            first, second = stores
            assert first.last < second.first or second.last < first.first


def test_both_kernels_are_told_in_one_document(capsys):
    merge_cases.main(["--json"])
    told = json.loads(capsys.readouterr().out)
    assert len(told) == len(CASES)
    assert {tuple(by) for by in told.values()} == {KERNELS}
    merge_cases.main([])
    assert "store 4..6" in capsys.readouterr().out
