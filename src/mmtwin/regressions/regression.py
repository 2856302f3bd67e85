"""What a regression is: a historical bug as an override that puts it back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mmtwin.machine.profile import Profile, profile
from mmtwin.regressions.program import ProgramBench
from mmtwin.regressions.story import Found, SpaceBench, TreeBench, tell


@dataclass(frozen=True, slots=True)
class Regression:
    """One bug of the catalogue.

    ``source`` names its thread or commit, ``versions`` the kernels that had it. ``mechanism`` tells
    in a paragraph what went wrong, ``trigger`` which operations bring it out. ``invariants`` are
    those that are expected to fail at the step of the cause, the first of them always.
    ``overrides`` gives the class with the old method for a kernel: a subclass of the engine's class
    of that ``layer``, with one method replaced.

    ``story`` is the shortest way to it that is known, ``kernel`` the profile it is told on; for the
    tree alone ``tree_flags`` are its flags (1 keeps gaps, 2 is RCU mode). ``program`` is the trace
    of a program that tells the story instead of single operations.

    ``at_random`` tells after how many operations of random testing it is found (see
    ``random_testing``); None: not at all within a hundred thousand.
    """

    name: str
    title: str
    source: str
    versions: str
    layer: Literal["maple", "space"]
    mechanism: str
    trigger: str
    invariants: tuple[str, ...]
    overrides: Callable[[Profile], type]
    story: Callable[[Any], Iterator[str]]
    kernel: str = "6.1"
    tree_flags: int = 1
    program: Path | None = None
    at_random: int | None = None

    def override(self, profile: Profile) -> type:
        """The class with the old method, for this kernel."""
        return self.overrides(profile)

    def bench(self, *, put_back: bool) -> TreeBench | SpaceBench | ProgramBench:
        """What the story is told on, with the bug or without."""
        if self.program is not None:
            return ProgramBench(self.kernel, [self] if put_back else [], self.program)
        if self.layer == "space":
            return SpaceBench(self.kernel, [self] if put_back else [])
        override = self.override(profile(self.kernel)) if put_back else None
        return TreeBench(self.kernel, self.tree_flags, override)

    def find(self, *, put_back: bool = True) -> Found | None:
        """Tell the story and stop at the first step that a check finds; None if none does."""
        bench = self.bench(put_back=put_back)
        return tell(bench, self.story(bench))
