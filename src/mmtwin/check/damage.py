"""When a program would have noticed: the twin with a bug beside a twin without, in lock-step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmtwin.machine.bug import KernelBug
from mmtwin.memory.errors import BadAccess
from mmtwin.replay.replay import Replay
from mmtwin.replay.text import call_text, result_text

if TYPE_CHECKING:
    from mmtwin.check.run import Run


@dataclass(frozen=True, slots=True)
class Damage:
    """The first thing that a program, or the kernel's log, would show.

    ``step`` counts as findings do; ``later`` is how many steps after the first bad one. ``step``
    is None if the trace ended without.
    """

    step: int | None
    later: int
    call: str
    what: str

    def as_json(self) -> dict[str, object]:
        """The JSON form."""
        return {"step": self.step, "later": self.later, "call": self.call, "what": self.what}

    def __str__(self) -> str:
        if self.step is None:
            return f"No program-visible damage in the {self.later:,} steps that follow."
        when = (
            "at once" if self.later == 0 else f"{self.later:,} steps later, at step {self.step:,}"
        )
        return f"Program-visible damage shows {when}, {self.call}: {self.what}"


def first_damage(run: Run, bad_step: int) -> Damage:
    """Carry the run out again beside a clean twin and compare all that programs can see.

    After each step from ``bad_step`` on: the call's result, /proc/PID/maps, and the area that a
    look-up of each area's first and last byte finds.
    """
    damaged = Replay(run.twin(), run.records(), stop_at_finding=False)
    clean = Replay(run.twin(clean=True), run.records(), stop_at_finding=False)
    step = 0
    for step, (record, _) in enumerate(zip(damaged.steps(), clean.steps(), strict=False), 1):
        if damaged.findings:
            what = damaged.findings[0].message
            return Damage(step, step - bad_step, call_text(record), what)
        if step < bad_step:
            continue
        seen = _difference(damaged, clean, record.pid)
        if seen is not None:
            return Damage(step, step - bad_step, call_text(record), seen)
    return Damage(None, max(step - bad_step, 0), "", "")


def _difference(damaged: Replay, clean: Replay, pid: int) -> str | None:
    """What the two twins show differently of a thread's address space; None if nothing."""
    if damaged.result != clean.result:
        return f"the result is {_result(damaged)}, without the bug {_result(clean)}"
    if not clean.twin.pids.find(pid):
        return None
    mine, theirs = damaged.processes.mm(pid), clean.processes.mm(pid)
    if not theirs:
        return None
    try:
        if damaged.processes.maps(pid) != clean.processes.maps(pid):
            return "/proc/PID/maps differs from that without the bug"
        for vma in list(clean.twin.space.vmas(theirs)):
            for byte in _ends(clean, vma):
                found = damaged.twin.space.vma_lookup(mine, byte)
                if not found or _ends(damaged, found) != _ends(clean, vma):
                    return f"a look-up of {byte:#x} finds the wrong area"
    except (BadAccess, KernelBug) as fault:
        return str(fault)
    return None


def _ends(replay: Replay, vma: int) -> tuple[int, int]:
    """First and last byte of an area."""
    layout = replay.twin.layouts.vm_area_struct
    memory = replay.twin.memory
    start = memory.load(vma + layout.offset("vm_start"))
    return start, memory.load(vma + layout.offset("vm_end")) - 1


def _result(replay: Replay) -> str:
    return "none" if replay.result is None else result_text(replay.result)
