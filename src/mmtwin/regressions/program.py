"""A bench for stories that a recorded program tells: its trace, carried out in a twin."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from mmtwin.check.behaviour import Behaviour
from mmtwin.check.checker import Checker
from mmtwin.check.violation import Violation
from mmtwin.machine.profile import profile as profile_named
from mmtwin.memory.errors import BadAccess
from mmtwin.replay.replay import Replay
from mmtwin.replay.text import call_text
from mmtwin.trace.reader import read_trace
from mmtwin.twin import Override, Twin


class Stopped(BadAccess):
    """The kernel stopped at a step of the program; ``str()`` is what it said."""

    def __init__(self, message: str) -> None:
        super().__init__(0, 8, "load", "")
        self.message = message

    def __str__(self) -> str:
        return self.message


class ProgramBench:
    """A twin that carries a program's trace out, all checks of it, and what its trees answer."""

    def __init__(self, kernel: str, bugs: Sequence[Override], trace: Path) -> None:
        self.twin = Twin(profile_named(kernel), bugs, ram=1 << 28)
        self.replay = Replay(self.twin, read_trace(str(trace)))
        self.checker = Checker(self.twin)
        self.behaviour = Behaviour(self.twin.maple)
        self.chance = random.Random(1)
        self.mark = self.twin.memory.mark()

    def play(self, most: int | None = None) -> Iterator[str]:
        """Carry the first ``most`` records out, one a step; :class:`Stopped` where the kernel does.

        None for all of them.
        """
        for record in islice(self.replay.steps(), most):
            if self.replay.findings:
                raise Stopped(self.replay.findings[0].message)
            yield f"{record.pid}: {call_text(record)}"

    def look(self) -> list[Violation]:
        """All checks, and every way to walk or search each tree."""
        found = self.checker.full()
        at = self.twin.layouts.mm_struct.offset("mm_mt")
        for mm in [] if found else self.twin.mms():
            found += self.behaviour.check(mm + at, self.chance, windows=4)
        return found
