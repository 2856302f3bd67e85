"""Thread 002, told to the end: which explanation misplaces which page when, and where it BUGs."""

import pytest

from mmtwin.regressions.page_bug import FIRST
from mmtwin.regressions.page_thread_002 import SCENARIOS, sysctl_storm


def test_merged_buddies_misplace_a_step_before_the_bug_in_rmqueue_bulk() -> None:
    verdict = SCENARIOS["reserve-merged-buddies"].run()
    assert verdict.misplaced is not None
    assert verdict.misplaced.violations[0].invariant == "PG-06"
    assert verdict.misplaced.step == 1
    assert (verdict.bug_step, verdict.bug_where, verdict.bug_pfn) == (2, "rmqueue_bulk", FIRST)


def test_pages_on_per_cpu_lists_bug_at_the_drain() -> None:
    verdict = SCENARIOS["reserve-per-cpu-lists"].run()
    assert verdict.misplaced is not None
    assert verdict.misplaced.step == verdict.bug_step == 2
    assert (verdict.bug_where, verdict.bug_pfn) == ("free_pcppages_bulk", FIRST)


def test_a_forged_type_misplaces_pages_without_touching_them() -> None:
    verdict = SCENARIOS["reserve-bitmap-race"].run()
    assert verdict.misplaced is not None
    assert verdict.misplaced.step == 1
    assert verdict.bug_where == "rmqueue_bulk"


@pytest.mark.parametrize("seed", range(2))
def test_a_workload_with_the_sysctl_written_misplaces_reserve_pages(seed: int) -> None:
    finding, _ = sysctl_storm(seed)
    placed = [violation for violation in finding.violations if violation.invariant == "PG-06"]
    assert "Reserve" in placed[0].found + placed[0].expected
