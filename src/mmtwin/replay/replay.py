"""Replay: every record of a trace carried out in a twin and held against what the kernel did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug, KernelWarning
from mmtwin.memory.errors import BadAccess, PoisonedAccess
from mmtwin.memory.memory import Memory
from mmtwin.replay.feed import Feed
from mmtwin.replay.finding import Counts, Finding
from mmtwin.replay.maps_diff import differing_lines
from mmtwin.replay.processes import Processes, Unpredictable
from mmtwin.replay.settle import OTHER_ORDER, Settler
from mmtwin.replay.text import call_text, result_text
from mmtwin.trace.records import Call, Record, Touch
from mmtwin.twin import Twin

TOUCHES_AHEAD = 1000
"""Records among which a trace with ``touch`` lines has one."""


@dataclass(slots=True)
class Outcome:
    """What the twin made of one record: its result, and the maps if they were asked for."""

    result: int | None
    agrees: bool


StepCheck: TypeAlias = "Callable[[Replay, int], list[Finding]]"
"""What looks at the structures after the step that began at a journal position."""


class Replay:
    """Carries records out one after the other.

    ``check`` is called after every step; ``stop_at_finding`` ends the run at the first finding,
    otherwise the run goes on until the twin cannot (a kernel BUG or a wild access). ``compare``
    switches the comparison with the record off.
    """

    def __init__(
        self,
        twin: Twin,
        records: Iterable[Record],
        *,
        check: StepCheck | None = None,
        compare: bool = True,
        stop_at_finding: bool = True,
        on_step: Callable[[int], None] | None = None,
    ) -> None:
        self.twin = twin
        self.memory: Memory = twin.memory
        self.feed = Feed(records)
        self.between = twin.between
        self.victims = twin.victims
        self.processes = Processes(twin, self.feed)
        self.settler = Settler(self)
        self.check = check
        self.compare = compare
        self.stop_at_finding = stop_at_finding
        self.on_step = on_step
        self.counts = Counts()
        self.findings: list[Finding] = []
        self.step = 0
        self.marks: list[int] = [twin.memory.mark()]
        self.record: Record | None = None
        self.result: int | None = None
        self.died = False
        """The kernel stopped: a BUG, or an access that it cannot handle."""
        self.assume_written = not any(isinstance(r, Touch) for r in self.feed.ahead(TOUCHES_AHEAD))

    def run(self) -> list[Finding]:
        """Carry out all records; the findings."""
        for record in self.feed:
            self._one(record)
            if self.died or (self.findings and self.stop_at_finding):
                break
        return self.findings

    def steps(self) -> Iterator[Record]:
        """Carry out the records one at a time, giving each after its step."""
        for record in self.feed:
            self._one(record)
            yield record
            if self.died or (self.findings and self.stop_at_finding):
                return

    def _one(self, record: Record) -> None:
        """One step: carry out, compare, check."""
        self.record = record
        self.step += 1
        self.counts.calls += 1
        mark: u64 = self.memory.mark()
        try:
            mark = self.between.begin()
            self.victims.running = record.pid
            self._carry_out(record, mark)
        except (KernelBug, KernelWarning) as bug:
            self.died = True
            self.find("bug", str(bug), {"condition": bug.condition, "where": bug.where})
        except PoisonedAccess as access:
            self.died = True
            self.find(
                "memory", str(access), {"address": f"{access.address:#x}", "kind": access.kind}
            )
        except BadAccess as access:
            self.died = True
            self.find("bug", f"unable to handle a {access}", {"address": f"{access.address:#x}"})
        if self.settler.early:
            self.settler.early.pop(record.line, None)
        if self.processes.inferred:
            self.counts.inferred = len(self.processes.inferred)
        if self.between.keep_journal:
            self.marks.append(self.memory.mark())
        if self.check is not None and not self.died:
            self.counts.checks += 1
            self.findings += self.check(self, self.between.checked_from)
        if self.on_step is not None:
            self.on_step(self.step)

    def _carry_out(self, record: Record, mark: u64) -> None:
        if not self.compare:
            self.result = self.processes.carry_out(record)
            self.counts.agreed += 1
            return
        try:
            outcome = self.attempt(record)
        except Unpredictable as missing:
            self.counts.settle(str(missing))
            return
        if outcome.agrees:
            self.counts.agreed += 1
            if self.assume_written:
                self.processes.assume_written(record)
            return
        reason = self.settler.settle(record, mark)
        if reason == OTHER_ORDER:
            self.counts.agreed += 1
            self.counts.reordered += 1
            return
        if reason is not None:
            self.counts.settle(reason)
            return
        self.counts.disagreed += 1
        self.rewind(mark)
        self._disagree(record, self.attempt(record))

    def rewind(self, mark: int) -> None:
        """Take everything back to where the journal stood at ``mark``."""
        self.memory.rewind(mark)
        self.processes.files.rewound(mark)

    def attempt(self, record: Record) -> Outcome:
        """Carry the record out from the present state, if that was not done early, and compare."""
        early = self.settler.early
        result = early[record.line] if record.line in early else self.processes.carry_out(record)
        self.result = result
        return Outcome(result, self.agrees(record, result))

    def agrees(self, record: Record, result: int | None) -> bool:
        """Whether the result and, where recorded, the maps are the record's."""
        if not isinstance(record, Call):
            return True
        if record.ret is not None and result is not None and result != record.ret:
            return False
        return self.maps_agree(record)

    def maps_agree(self, record: Call) -> bool:
        """Whether the twin's maps are those recorded after the call."""
        if not record.maps:
            return True
        self.counts.maps_compared += 1
        return self.processes.maps_agree(record.pid, record.maps)

    def _disagree(self, record: Record, outcome: Outcome) -> None:
        evidence: dict[str, object] = {}
        parts = []
        if isinstance(record, Call):
            mine, theirs = outcome.result, record.ret
            if mine is not None and theirs is not None and mine != theirs:
                parts.append(f"the kernel gave {result_text(theirs)}, the twin {result_text(mine)}")
                evidence["result"] = {"twin": mine, "record": theirs}
            if record.maps and not self.processes.maps_agree(record.pid, record.maps):
                lines = differing_lines(self.processes.maps(record.pid), record.maps)
                evidence["maps"] = lines
                parts.append(f"the maps differ in {len(lines)} lines")
        self.find("disagreement", "; ".join(parts), evidence)

    def find(self, kind: str, message: str, evidence: dict[str, object]) -> None:
        """Add a finding at the present step."""
        assert self.record is not None
        self.findings.append(
            Finding(
                kind=kind,  # type: ignore[arg-type]
                step=self.step,
                line=self.record.line,
                call=call_text(self.record),
                pid=self.record.pid,
                message=message,
                evidence=evidence,
                regressions=tuple(r.name for r in self.twin.regressions),
            )
        )
