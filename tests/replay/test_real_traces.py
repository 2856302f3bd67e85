"""Recorded runs of real programs on Linux 6.18, with the maps after each call as ground truth."""

from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import pytest

from mmtwin.check.run import Check, Run
from mmtwin.data import recorded_compiler
from mmtwin.machine.failslab import FailSlab
from mmtwin.machine.profile import profile
from mmtwin.regressions import catalogue
from mmtwin.replay.kernel import profile_of
from mmtwin.trace.reader import read_trace
from mmtwin.trace.records import Record, Touch
from modes import COMPILED

DATA = Path(__file__).parent.parent / "data"
TRACES = [recorded_compiler(), *sorted(DATA.glob("*.jsonl.xz"))]
RECORDS = None if COMPILED else 500
"""Of each trace."""
SETTLED_MOST = 0.02


@pytest.mark.parametrize("trace", TRACES, ids=lambda path: path.name.split(".")[0])
def test_every_answer_of_the_kernel_is_the_twins(trace: Path) -> None:
    def records() -> Iterator[Record]:
        return islice(read_trace(trace), RECORDS)

    assert profile_of(next(records()))[0] == "6.18"
    result = Run(records, profile("6.18")).run()
    counts = result.counts
    assert result.findings == []
    assert counts.disagreed == 0
    assert counts.agreed + counts.settled == counts.calls == counts.checks
    assert counts.settled <= SETTLED_MOST * counts.calls
    assert counts.maps_compared >= 0.9 * sum(
        1 for record in records() if getattr(record, "ret", None) is not None
    )


def test_where_touches_are_recorded_nothing_is_settled() -> None:
    """A program that writes, forks and writes again: its faults tell which areas may merge."""
    trace = DATA / "python-touches-fork.jsonl.xz"
    assert any(isinstance(record, Touch) for record in read_trace(trace))
    counts = Run(lambda: read_trace(trace), profile("6.18")).run().counts
    assert counts.settled == 0
    assert counts.agreed == counts.calls


@pytest.mark.parametrize("check", [Check.EVERY, Check.BISECT])
def test_the_other_ways_of_checking_find_nothing_either(check: Check) -> None:
    records = list(islice(read_trace(recorded_compiler()), None if COMPILED else 200))
    result = Run(lambda: records, profile("6.18"), check=check).run()
    assert result.ok
    assert result.counts.checks >= result.counts.calls


def test_a_stale_node_copy_is_found_where_the_node_went_bad() -> None:
    """All three ways name the step and the rule; a program would notice only later."""
    steps = set()
    for check in (Check.TOUCHED, Check.EVERY, Check.BISECT):
        result = Run(
            lambda: read_trace(recorded_compiler()),
            profile("6.18"),
            regressions=[catalogue.get("stale-node-copy")],
            check=check,
        ).run()
        first = result.findings[0]
        assert first.kind == "invariant"
        assert result.damage is not None
        assert result.damage.step is not None
        assert result.damage.later == result.damage.step - first.step > 0
        assert first.evidence["after"] is not None
        steps.add((first.step, first.invariant, first.call, first.message, result.damage.step))
    assert len(steps) == 1
    assert {invariant for _, invariant, *_ in steps} == {"MT-09"}


@pytest.mark.parametrize("check", [Check.TOUCHED, Check.EVERY, Check.BISECT])
def test_a_spent_preallocation_is_a_bug_when_memory_is_low(check: Check) -> None:
    result = Run(
        lambda: read_trace(recorded_compiler()),
        profile("6.18"),
        regressions=[catalogue.get("prealloc-spent")],
        check=check,
        injector=lambda: FailSlab("maple_node", nowait=True),
    ).run()
    first = result.findings[0]
    assert first.kind == "bug"
    assert first.evidence == {"condition": "mas_is_err(mas)", "where": "mas_store_prealloc"}


def test_low_memory_alone_is_no_finding() -> None:
    result = Run(
        lambda: read_trace(recorded_compiler()),
        profile("6.18"),
        injector=lambda: FailSlab("maple_node", nowait=True),
    ).run()
    assert result.ok


def test_a_run_is_the_same_every_time() -> None:
    runs = [
        Run(
            lambda: read_trace(recorded_compiler()),
            profile("6.18"),
            regressions=[catalogue.get("stale-node-copy")],
        ).run()
        for _ in range(2)
    ]
    assert all(a.findings == b.findings and a.counts == b.counts for a, b in pairwise(runs))
