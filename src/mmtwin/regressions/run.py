"""Putting a bug of any layer back and finding it, by the shortest way that the catalogue knows."""

from __future__ import annotations

from dataclasses import dataclass

from mmtwin.regressions import catalogue, page_thread_002, thread_000
from mmtwin.regressions.page_bug import PageFinding, PageRegression
from mmtwin.regressions.page_catalogue import PAGE_REGRESSIONS
from mmtwin.regressions.random_testing import MOST, search
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import Found
from mmtwin.regressions.thread_story import ThreadStory, Told

Bug = Regression | PageRegression | ThreadStory
STORIES = {story.name: story for story in (*thread_000.STORIES, *page_thread_002.stories())}
BUG = "BUG"
"""In place of an invariant's id: the kernel stopped by itself."""


@dataclass(frozen=True, slots=True)
class Caught:
    """How a bug was found: by which invariant, at which step (from 1) of its story.

    ``what`` the step did, in words, ``steps`` those before; ``message`` what was found, ``scene``
    where the page concerned lies; ``more`` what else the story of a thread showed.
    """

    bug: Bug
    invariant: str
    step: int
    what: str
    message: str
    more: str = ""
    steps: tuple[str, ...] = ()
    scene: str = ""

    @property
    def expected(self) -> bool:
        """Whether it was caught as the catalogue says."""
        return self.invariant in self.bug.invariants


def every() -> list[Bug]:
    """All bugs of all layers."""
    return [*catalogue.every(), *PAGE_REGRESSIONS.values(), *STORIES.values()]


def get(name: str) -> Bug:
    """The bug of that name; :class:`KeyError` if there is none."""
    if name in STORIES:
        return STORIES[name]
    found = PAGE_REGRESSIONS.get(name)
    return found if found is not None else catalogue.get(name)


def as_told(bug: Bug, caught: Caught | None) -> bool:
    """Whether the story ended as the catalogue says; that of a thread may end well."""
    if caught is None:
        return not bug.invariants
    return caught.expected


def run(bug: Bug) -> Caught | None:
    """Tell the bug's story with the bug put back, checking after each step; None if it escapes."""
    found: Told | Found | PageFinding | None
    if isinstance(bug, ThreadStory):
        found = bug.tell()
    else:
        found = bug.run() if isinstance(bug, PageRegression) else bug.find()
    if found is None:
        return None
    more = found.more if isinstance(found, Told) else ""
    scene = "" if isinstance(found, Found) else found.scene
    if not found.violations:
        return Caught(bug, BUG, found.step + 1, "", found.what, more, found.steps)
    named = [v for v in found.violations if v.invariant in bug.invariants]
    first = (named or list(found.violations))[0]
    return Caught(
        bug, first.invariant, found.step + 1, found.what, str(first), more, found.steps, scene
    )


def run_at_random(bug: Regression) -> Caught | None:
    """The same with random operations instead of the story; its step counts all of them."""
    found = search(bug, MOST)
    if found is None:
        return None
    named = [name for name in found.invariants if name in bug.invariants]
    invariant = (named or list(found.invariants))[0]
    return Caught(bug, invariant, found.operations, found.what, found.message)
