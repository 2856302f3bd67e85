"""Every bug of the catalogue is caught where it begins; the sound engine has no finding."""

import pytest

from mmtwin.check.invariants import REGISTRY
from mmtwin.check.step import STEP_RULES
from mmtwin.machine.profile import PROFILES
from mmtwin.regressions import catalogue
from mmtwin.regressions.program import ProgramBench
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import SpaceBench, TreeBench

ALL = [pytest.param(bug, id=bug.name) for bug in catalogue.every()]


@pytest.mark.parametrize("bug", ALL)
def test_a_bug_is_caught_by_the_invariant_that_the_catalogue_names(bug: Regression) -> None:
    """At the last step of its story, which is the step of the cause."""
    found = bug.find()

    assert found is not None
    assert bug.invariants[0] in found.invariants


@pytest.mark.parametrize("bug", ALL)
def test_the_sound_engine_tells_the_story_without_a_finding(bug: Regression) -> None:
    """Nothing but the bug brings it out."""
    assert bug.find(put_back=False) is None


@pytest.mark.parametrize("bug", ALL)
def test_step_check_and_whole_check_name_the_same_step(bug: Regression) -> None:
    """After each step of the story, up to the first bad one, both find something or neither."""
    bench = bug.bench(put_back=True)
    if isinstance(bench, ProgramBench):
        return  # its checker is the one that replays use; what it finds is in the answers
    if isinstance(bench, SpaceBench):
        checks, subjects = bench.checker.spaces, bench.twin.mms
    else:
        assert isinstance(bench, TreeBench)
        tree = bench
        checks, subjects = bench.checks, lambda: [tree.tree]
    try:
        for _ in bug.story(bench):
            touched = checks.touched(bench.mark, subjects())
            whole = checks.full(subjects())
            state = [violation for violation in touched if violation.invariant not in STEP_RULES]
            assert bool(state) == bool(whole)
            bench.mark = bench.memory.mark()
            if whole or touched:
                return
    except Exception as stopped:
        assert type(stopped).__name__ in ("KernelBug", "KernelWarning", "BadAccess")  # noqa: PT017


@pytest.mark.parametrize("bug", ALL)
def test_what_the_catalogue_tells(bug: Regression) -> None:
    """Each entry is complete, and names rules that exist."""
    assert catalogue.get(bug.name) is bug
    assert all(name in REGISTRY or name == "BUG" for name in bug.invariants)
    assert bug.source
    assert bug.versions
    assert bug.trigger
    assert len(bug.mechanism) > 150
    for profile in PROFILES.values():
        assert isinstance(bug.override(profile), type)


def test_there_are_enough_of_them() -> None:
    """At least fifteen of the maple tree, fifteen of address spaces."""
    layers = [bug.layer for bug in catalogue.every()]

    assert layers.count("maple") >= 15
    assert layers.count("space") >= 12


def test_an_unknown_name() -> None:
    """Is a KeyError."""
    with pytest.raises(KeyError):
        catalogue.get("no-such-bug")
