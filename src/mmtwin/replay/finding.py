"""Findings: what a run has to report, in the form of the JSON documents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["invariant", "bug", "context", "lock", "race", "memory", "disagreement"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found, at the step of its cause.

    ``step`` counts the trace's records from 1; ``line`` is the record's line in the file.
    ``call`` is the step as a person reads it. ``invariant`` is the id of the violated rule, None
    for other kinds. ``evidence`` holds plain values only.
    """

    kind: Kind
    step: int
    line: int
    call: str
    pid: int
    message: str
    invariant: str | None = None
    evidence: dict[str, object] = field(default_factory=dict)
    regressions: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """The finding as the JSON documents show it."""
        return {
            "kind": self.kind,
            "invariant": self.invariant,
            "step": self.step,
            "line": self.line,
            "call": self.call,
            "pid": self.pid,
            "message": self.message,
            "evidence": self.evidence,
            "regressions": list(self.regressions),
        }


@dataclass(slots=True)
class Counts:
    """How the steps of a replay ended.

    ``agreed``: result and, where recorded, maps are those of the record. ``settled``: what the
    record does not tell was chosen so that they are (``reasons`` says what and how often).
    ``reordered`` steps agree once another thread's call, which the record shows later, is carried
    out first: a recorder sees only the order of their ends. They count as agreed.
    ``disagreed``: they differ. ``inferred`` counts random bases of exec (such as the first
    program break) that the record shows only in the answer of a later call; those calls agree.
    """

    calls: int = 0
    agreed: int = 0
    settled: int = 0
    disagreed: int = 0
    reordered: int = 0
    checks: int = 0
    inferred: int = 0
    maps_compared: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def settle(self, reason: str) -> None:
        """Count a step that was settled from the record for ``reason``."""
        self.settled += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1

    def as_json(self) -> dict[str, object]:
        """The counts of the JSON document."""
        return {
            "calls": self.calls,
            "agreed": self.agreed,
            "settled": self.settled,
            "disagreed": self.disagreed,
            "reordered": self.reordered,
            "checks": self.checks,
            "inferred": self.inferred,
            "maps_compared": self.maps_compared,
            "settled_because": dict(sorted(self.reasons.items())),
        }
