"""A thread of a mailing list retold: what happens on the twin, and what that says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mmtwin.check.violation import Violation


@dataclass(frozen=True, slots=True)
class Told:
    """Where a story ended: the first bad step, from 0, and what was found there.

    ``violations`` is empty where the kernel stopped by itself; ``what`` is its message then.
    ``more`` says what else the story showed, ``steps`` what came before, in words, and ``scene``
    where the page concerned lies.
    """

    step: int
    what: str
    violations: tuple[Violation, ...]
    more: str = ""
    steps: tuple[str, ...] = ()
    scene: str = ""


@dataclass(frozen=True, slots=True)
class ThreadStory:
    """One scenario of a thread; the members are those of a ``Regression``.

    ``invariants`` are what it is expected to end with, none if it ends well. ``verdict`` is what
    the scenario shows about the thread's question.
    """

    name: str
    title: str
    source: str
    versions: str
    mechanism: str
    trigger: str
    invariants: tuple[str, ...]
    verdict: str
    tell: Callable[[], Told | None]

    @property
    def layer(self) -> str:
        """Where it is listed."""
        return "thread"
