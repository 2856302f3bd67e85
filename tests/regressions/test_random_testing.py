"""Random operations find what the catalogue says, and nothing in the sound engines."""

from dataclasses import replace

import pytest

from mmtwin.regressions import catalogue
from mmtwin.regressions.random_testing import search
from mmtwin.regressions.regression import Regression
from modes import COMPILED

SLOW = 1_100
"""Operations up to which uncompiled rooms are quick enough."""
FOUND = [
    pytest.param(bug, id=bug.name)
    for bug in catalogue.every()
    if bug.at_random is not None and (COMPILED or bug.at_random < SLOW)
]
OTHERWISE = {"munmap-search-limit": {"VM-01"}}
"""Where random operations meet another consequence first than the story does."""


@pytest.mark.parametrize("bug", FOUND)
def test_found_after_as_many_operations_as_the_catalogue_says(bug: Regression) -> None:
    assert bug.at_random is not None
    found = search(bug, bug.at_random)

    assert found is not None
    assert found.operations == bug.at_random
    expected = {*bug.invariants, "BUG"} | OTHERWISE.get(bug.name, set())
    assert expected & set(found.invariants)


def test_all_are_found_but_those_that_need_what_is_not_asked_at_random() -> None:
    """Another task, MADV_COLLAPSE, a policy, a segment, somebody who watches."""
    missed = {bug.name for bug in catalogue.every() if bug.at_random is None}

    assert missed == {
        "collapse-holes-counted",
        "huge-split-miscounted",
        "migration-entry-left",
        "mbind-underflow",
        "segment-unheard",
        "watched-at-wrong-offset",
    }


@pytest.mark.parametrize(
    ("name", "kernel"),
    [("stale-node-copy", "6.1"), ("stale-node-copy", "6.18"), ("charge-leak", "6.1")],
)
def test_nothing_is_found_in_the_sound_engine(name: str, kernel: str) -> None:
    """Over runs of every kind: each mode of a tree, small and large, filled and empty."""
    bug = replace(catalogue.get(name), kernel=kernel)
    operations = 20_000 if COMPILED else 1_500

    assert search(bug, operations, put_back=False) is None


def test_the_same_run_again() -> None:
    """A run is fixed by its number."""
    bug = catalogue.get("anon-chain-not-copied")

    assert search(bug, 1000) == search(bug, 1000)
