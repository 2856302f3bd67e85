"""One run of a trace: a twin, a replay, a way of checking, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from mmtwin.check.bisect import bisect
from mmtwin.check.checker import Checker
from mmtwin.check.damage import Damage, first_damage
from mmtwin.check.findings import finding, step_check
from mmtwin.machine.profile import Profile
from mmtwin.memory.allocator import Injector
from mmtwin.replay.finding import Counts, Finding
from mmtwin.replay.replay import Replay
from mmtwin.trace.records import Record
from mmtwin.twin import RAM, Override, Twin


class Check(StrEnum):
    """How often the structures are looked at."""

    TOUCHED = "touched"
    EVERY = "every"
    BISECT = "bisect"
    OFF = "off"


@dataclass(slots=True)
class Result:
    """What a run found. ``findings[0]`` is the first bad step, if there is one.

    ``damage`` tells when a program would first have noticed, for runs with regressions.
    ``seconds`` are those of the whole run; ``cpu_seconds`` the processor's for carrying out and
    checking, without making the twin. ``full_checks`` and ``touched_checks`` are what bisecting
    cost. ``interrupted`` runs hold what was done until then.
    """

    profile: Profile
    counts: Counts
    findings: list[Finding] = field(default_factory=list)
    damage: Damage | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    full_checks: int = 0
    touched_checks: int = 0
    interrupted: bool = False

    @property
    def ok(self) -> bool:
        """Whether the trace was carried out to its end and nothing was found."""
        return not self.findings and not self.interrupted


class Run:
    """Carries a trace out, from its beginning as often as needed.

    ``records`` gives a fresh iterator over the trace at each call; ``injector`` a fresh decider of
    allocation failures, None for none. ``ram`` is the twin's memory in bytes, ``swap`` that of its
    swap area, ``hugepages`` vm.nr_hugepages. ``on_step`` hears the number of each step.
    """

    def __init__(
        self,
        records: Callable[[], Iterable[Record]],
        profile: Profile,
        *,
        regressions: Sequence[Override] = (),
        check: Check = Check.TOUCHED,
        injector: Callable[[], Injector] | None = None,
        sanitize: bool = False,
        ram: int = RAM,
        swap: int = 0,
        hugepages: int = 0,
        compare: bool = True,
        on_step: Callable[[int], None] | None = None,
    ) -> None:
        self.records = records
        self.profile = profile
        self.regressions = tuple(regressions)
        self.check = check
        self.injector = injector
        self.sanitize = sanitize
        self.ram = ram
        self.swap = swap
        self.hugepages = hugepages
        self.compare = compare
        self.on_step = on_step

    def twin(self, *, clean: bool = False, keep_journal: bool = False) -> Twin:
        """A fresh twin, with the regressions unless ``clean``."""
        return Twin(
            self.profile,
            () if clean else self.regressions,
            injector=self.injector() if self.injector is not None else None,
            keep_journal=keep_journal,
            sanitize=self.sanitize,
            ram=self.ram,
            swap=self.swap,
            hugepages=self.hugepages,
        )

    def run(self) -> Result:
        """Carry the trace out and check it; the findings, first bad step first."""
        started = time.perf_counter()
        twin = self.twin(keep_journal=self.check is Check.BISECT)
        replay = Replay(
            twin,
            self.records(),
            check=step_check(twin, whole=self.check is Check.EVERY)
            if self.check in (Check.TOUCHED, Check.EVERY)
            else None,
            compare=self.compare,
            on_step=self.on_step,
        )
        result = Result(self.profile, replay.counts)
        begun = time.process_time()
        try:
            result.findings = replay.run()
            if self.check is Check.BISECT:
                self._bisect(replay, result)
            result.cpu_seconds = time.process_time() - begun
            if self.regressions and result.findings:
                result.damage = first_damage(self, result.findings[0].step)
        except KeyboardInterrupt:
            result.interrupted = True
            result.findings = replay.findings
        result.seconds = time.perf_counter() - started
        return result

    def _bisect(self, replay: Replay, result: Result) -> None:
        # As after any other step, a kernel that has stopped is not checked.
        marks = replay.marks[:-1] if replay.died else replay.marks
        bad = bisect(Checker(replay.twin), marks)
        if bad is None:
            result.counts.checks = replay.step
            return
        result.full_checks, result.touched_checks = bad.full_checks, bad.touched_checks
        result.counts.checks = bad.full_checks + bad.touched_checks
        replay.step = bad.step + 1
        replay.record = next(islice(self.records(), bad.step, None))
        replay.twin.memory.go(bad.after)
        result.findings.insert(0, finding(replay, list(bad.violations), bad.before))


def count_steps(records: Iterator[Record]) -> int:
    """How many steps a trace has."""
    return sum(1 for _ in records)
