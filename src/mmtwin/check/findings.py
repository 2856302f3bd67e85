"""Checks as a replay calls them: violations made into findings, with evidence."""

from __future__ import annotations

from mmtwin.check.checker import Checker
from mmtwin.check.picture import before_and_after
from mmtwin.check.violation import Violation
from mmtwin.replay.finding import Finding
from mmtwin.replay.replay import Replay, StepCheck
from mmtwin.replay.text import call_text
from mmtwin.twin import Twin

SHOWN_MAX = 12
"""Violations listed with a finding; one damaged node breaks many rules."""


def step_check(twin: Twin, *, whole: bool) -> StepCheck:
    """What a replay calls after each step: everything, or only what the step touched."""
    checker = Checker(twin)

    def check(replay: Replay, mark: int) -> list[Finding]:
        violations = checker.every(mark) if whole else checker.touched(mark)
        return [finding(replay, violations, mark)] if violations else []

    return check


def finding(replay: Replay, violations: list[Violation], mark: int) -> Finding:
    """The finding of the present step, told by its first violation."""
    assert replay.record is not None
    first = violations[0]
    evidence: dict[str, object] = {"violations": [v.as_json() for v in violations[:SHOWN_MAX]]}
    if len(violations) > SHOWN_MAX:
        evidence["more_violations"] = len(violations) - SHOWN_MAX
    if first.kind == "maple_node":
        evidence.update(before_and_after(replay.twin.memory, first.path, first.address, mark))
    return Finding(
        kind="invariant",
        step=replay.step,
        line=replay.record.line,
        call=call_text(replay.record),
        pid=replay.record.pid,
        message=str(first),
        invariant=first.invariant,
        evidence=evidence,
        regressions=tuple(r.name for r in replay.twin.regressions),
    )
