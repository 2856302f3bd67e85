"""Putting a bug back and finding it: the shortest way that the catalogue knows for each."""

from __future__ import annotations

from dataclasses import dataclass

from mmtwin.check.damage import Damage
from mmtwin.check.run import Run
from mmtwin.data import recorded_compiler
from mmtwin.machine.profile import profile
from mmtwin.regressions import catalogue
from mmtwin.regressions.page_bug import PageRegression
from mmtwin.regressions.page_catalogue import PAGE_REGRESSIONS
from mmtwin.regressions.regression import Regression
from mmtwin.trace.reader import read_trace

Bug = Regression | PageRegression


@dataclass(frozen=True, slots=True)
class Caught:
    """How a bug was found: by which invariant, at which step of what, and when it would show.

    ``step`` counts from 1; ``where`` is the trace or story that brought it out.
    """

    bug: Bug
    invariant: str
    step: int
    what: str
    message: str
    where: str
    damage: Damage | None = None

    @property
    def expected(self) -> bool:
        """Whether the invariant is one of those that the catalogue names."""
        return self.invariant in self.bug.invariants


def every() -> list[Bug]:
    """All bugs of all layers."""
    return [*catalogue.every(), *PAGE_REGRESSIONS.values()]


def get(name: str) -> Bug:
    """The bug of that name; :class:`KeyError` if there is none."""
    found = PAGE_REGRESSIONS.get(name)
    return found if found is not None else catalogue.get(name)


def run(bug: Bug) -> Caught | None:
    """Put the bug back and find it; None if it escapes.

    The recorded compiler run is replayed with it. What that does not bring out by an invariant
    that the catalogue names is found by the bug's own story.
    """
    if isinstance(bug, PageRegression):
        return _tell(bug)
    result = Run(lambda: read_trace(recorded_compiler()), profile("6.18"), regressions=[bug]).run()
    if result.findings and result.findings[0].invariant in bug.invariants:
        first = result.findings[0]
        return Caught(
            bug,
            first.invariant or first.kind,
            first.step,
            first.call,
            first.message,
            "the recorded compiler run",
            result.damage,
        )
    return _told(bug)


def _told(bug: Regression) -> Caught | None:
    found = bug.find()
    if found is None:
        return None
    named = [v for v in found.violations if v.invariant in bug.invariants]
    first = next(iter(named or found.violations), None)
    return Caught(
        bug,
        first.invariant if first is not None else "BUG",
        found.step + 1,
        found.what,
        str(first) if first is not None else found.what,
        f"its story, {bug.kernel}",
    )


def _tell(bug: PageRegression) -> Caught | None:
    found = bug.run()
    if found is None:
        return None
    first = found.violations[0] if found.violations else None
    return Caught(
        bug,
        first.invariant if first is not None else "bug",
        found.step + 1,
        found.what,
        str(first) if first is not None else found.what,
        "its story",
    )
