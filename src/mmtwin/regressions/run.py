"""Putting a bug back and finding it: the shortest way that the catalogue knows for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from mmtwin.check.damage import Damage
from mmtwin.check.run import Run
from mmtwin.data import recorded_compiler
from mmtwin.machine.profile import profile
from mmtwin.regressions import catalogue
from mmtwin.regressions.page_bug import PageRegression
from mmtwin.regressions.page_catalogue import PAGE_REGRESSIONS
from mmtwin.regressions.regression import Regression
from mmtwin.trace.generate import workload
from mmtwin.trace.programs import PROGRAMS
from mmtwin.trace.reader import read_trace
from mmtwin.trace.records import Record

Bug = Regression | PageRegression
CALLS = 5000
"""Calls of a generated workload before the next one is tried."""
PROFILES = ("6.18", "6.1")


@dataclass(frozen=True, slots=True)
class Caught:
    """How a bug was found: by which invariant, at which step of what, and when it would show.

    ``steps`` counts from 1; ``where`` is the trace, workload or story that brought it out.
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

    A bug of the page allocator has a story of its own. For the others the recorded compiler run
    and then the generated workloads are replayed until an invariant fails.
    """
    if isinstance(bug, PageRegression):
        return _tell(bug)
    for where, kernel, records in _sources():
        result = Run(
            records, profile(kernel), regressions=[bug], compare=where == COMPILER_RUN
        ).run()
        if result.findings:
            first = result.findings[0]
            return Caught(
                bug,
                first.invariant or first.kind,
                first.step,
                first.call,
                first.message,
                f"{where}, {kernel}",
                result.damage,
            )
    return None


COMPILER_RUN = "the recorded compiler run"


def _sources() -> Iterator[tuple[str, str, Callable[[], Iterable[Record]]]]:
    yield COMPILER_RUN, "6.18", lambda: read_trace(recorded_compiler())
    for kernel in PROFILES:
        for kind in PROGRAMS:
            yield f"workload {kind}", kernel, lambda kind=kind: workload(kind, CALLS, seed=1)  # type: ignore[misc]


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
