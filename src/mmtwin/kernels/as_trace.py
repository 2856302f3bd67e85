"""A comparison's run as a trace: what the kernel answered, for ``mmtwin replay``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mmtwin.kernels import abi
from mmtwin.kernels.calls import Call
from mmtwin.kernels.diff import Made
from mmtwin.kernels.host.facts import Facts
from mmtwin.kernels.host.wire import Answer
from mmtwin.kernels.options import Start
from mmtwin.trace import records as r
from mmtwin.trace.calls import OPCODES

PID = 1000
"""The first process; the one in slot n has the id PID + n - 1."""


@dataclass(slots=True)
class Descriptors:
    """What a process has open: (path, number of the open file description)."""

    files: dict[int, tuple[str, int]] = field(default_factory=dict)


class AsTrace:
    """Makes the records of one run; calls that a trace has no room for are left out."""

    def __init__(
        self, start: Start, facts: Facts, segments: tuple[int, ...], heap: int, machine: str
    ) -> None:
        self.start = start
        self.facts = facts
        self.segments = [*segments, *(size for size, _ in start.huge_segments)]
        self.heap = heap
        self.machine = machine
        self.limits = {which: soft for which, (soft, _) in facts.limits.items()}
        if start.stack_limit is not None:
            self.limits[abi.RLIMIT_STACK] = start.stack_limit
        self.capabilities = facts.capabilities
        self.open: dict[int, Descriptors] = {1: Descriptors()}
        self.opened = 0
        self.changed = False

    def records(self, made: Made) -> Iterator[r.Record]:
        """The trace of what ``made`` holds."""
        kept = [call for call in made.calls if call.name == "capset"]
        if kept:  # a trace tells of rights once, with the image
            self.capabilities = kept[0].args[0]
        yield self._exec(made.image)
        for call, answers in zip(made.calls, made.answers, strict=True):
            yield from self._call(call, answers)

    def _limits(self) -> r.Limits:
        limits = self.limits
        return r.Limits(
            stack=limits[abi.RLIMIT_STACK],
            address_space=limits[abi.RLIMIT_AS],
            data=limits[abi.RLIMIT_DATA],
            memlock=limits[abi.RLIMIT_MEMLOCK],
        )

    def _exec(self, maps: str) -> r.Exec:
        facts, start = self.facts, self.start
        image = r.Image(0, 0, self.heap, self.heap, self.heap, 0, 0, 0)
        host = r.Host(
            format=r.FORMAT_VERSION,
            kernel=".".join(map(str, facts.release)),
            machine=self.machine,
            page_size=abi.PAGE,
            max_map_count=start.max_map_count or facts.max_map_count,
            overcommit_memory=facts.overcommit_memory,
            mmap_min_addr=facts.mmap_min_addr,
            legacy_va_layout=int(facts.legacy_va_layout),
            thp=facts.thp,
            pku=facts.pkeys,
        )
        return r.Exec(
            1,
            PID,
            maps,
            image=image,
            limits=self._limits(),
            personality=abi.ADDR_NO_RANDOMIZE | start.personality,
            ipc_lock=self.capabilities >> abi.CAP_IPC_LOCK & 1 != 0,
            host=host,
        )

    def _call(self, call: Call, answers: list[Answer]) -> Iterator[r.Record]:
        pid, answer = PID + call.slot - 1, answers[0]
        match call.name:
            case "touch":
                at, length, write = call.args
                yield r.Touch(0, pid, at, length, bool(write))
            case "exit":
                yield r.Gone(0, pid)
            case "fork":
                if answer.result > 0:
                    self.open[call.args[0]] = Descriptors(dict(self.open[call.slot].files))
                    yield r.Child(0, pid, PID + call.args[0] - 1, "fork")
            case "open" | "memfd_create":
                self._opened(call, answer.result)
            case "setrlimit":
                if answer.result == 0:
                    self.limits[call.args[0]] = call.args[1]
                    self.changed = True
            case name if name in OPCODES:
                yield self._syscall(call, answer, pid)

    def _opened(self, call: Call, descriptor: int) -> None:
        if descriptor >= 0:
            path = (call.text or b"").decode()
            if call.name == "memfd_create":
                path = f"/memfd:{path} (deleted)"
            self.opened += 1
            self.open[call.slot].files[descriptor] = (path, self.opened)

    def _syscall(self, call: Call, answer: Answer, pid: int) -> r.Call:
        args = (*call.args, 0, 0, 0, 0, 0, 0)
        record = r.Call(
            0,
            pid,
            OPCODES[call.name],
            (args[0], args[1], args[2], args[3], args[4], args[5]),
            answer.result,
            answer.maps,
        )
        if self.changed:
            record.limits, self.changed = self._limits(), False
        if call.name == "mmap" and not args[3] & abi.MAP_ANONYMOUS:
            found = self.open[call.slot].files.get(args[4] & 0xFFFFFFFF)
            if found is not None:
                record.file, record.open = found
        elif call.name == "prctl":
            record.name = "" if call.text is None else call.text.decode("latin-1")
        elif call.name == "shmat":
            record.size, record.key = self.segments[args[0]], 0
        return record
