"""The first bad step of a run that was not checked while it ran.

The journal can take memory back to the end of any step. If the last state is bad, the first bad one
is enclosed by halving: O(log n) whole checks. That alone may miss damage that healed: stale bytes
that a later store wrote over, or that were bad again by the time of the next probe. So the steps
before the one found are swept once with step checks, which is what makes the answer exact: up to
the first bad step every step begins in a good state, which is all that a step check presumes, and
it reports exactly when the state after the step is bad.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mmtwin.check.violation import BadStep, Violation
from mmtwin.memory.memory import Memory


class Checks(Protocol):
    """The two checks that a search uses."""

    memory: Memory

    def full(self) -> list[Violation]:
        """Check the present state."""

    def touched(self, mark: int) -> list[Violation]:
        """Check what changed since ``mark``."""


def bisect(checker: Checks, marks: Sequence[int]) -> BadStep | None:
    """The first step after which a check fails, or None if there is none.

    Step ``k`` (from 0) lies between the journal's positions ``marks[k]`` and ``marks[k + 1]``; all
    is well at ``marks[0]``. Memory is left where it stood. Cost: O(log n) whole checks and, if the
    answer is step k, k + 1 step checks (n if there is none).
    """
    memory = checker.memory
    present = memory.mark()
    try:
        suspect, full_checks = _enclose(checker, marks)
        return _sweep(checker, marks, suspect, full_checks)
    finally:
        memory.go(present)


def _enclose(checker: Checks, marks: Sequence[int]) -> tuple[int, int]:
    """A step after which the state is bad while it is good before, or the number of steps if the
    last state is good; and how many whole checks that took."""
    good, bad = 0, len(marks) - 1
    if bad <= 0:
        return 0, 0
    checks = 1
    checker.memory.go(marks[bad])
    if not checker.full():
        return bad, checks
    while bad - good > 1:
        middle = (good + bad) // 2
        checker.memory.go(marks[middle])
        checks += 1
        if checker.full():
            bad = middle
        else:
            good = middle
    return bad - 1, checks


def _sweep(checker: Checks, marks: Sequence[int], suspect: int, full_checks: int) -> BadStep | None:
    """The first bad step, at the latest ``suspect``, by a step check of each."""
    memory = checker.memory
    memory.go(marks[0])
    steps = len(marks) - 1
    for step in range(min(suspect + 1, steps)):
        memory.advance(marks[step + 1])
        if marks[step + 1] == marks[step]:
            continue
        found = checker.touched(marks[step])
        if found:
            return BadStep(step, marks[step], marks[step + 1], tuple(found), full_checks, step + 1)
    return None
