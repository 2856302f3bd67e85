"""This machine's kernel as an oracle: calls in, results and texts of /proc out.

Every process has a fresh image of the agent, without address randomisation; see
``native/agent.c`` for what is in it. Nothing of this is safe against calls that hit the agent's own
image (``Image``): such a process dies, and ``KernelDiedError`` says so.
"""

from __future__ import annotations

import os
import select
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from mmtwin.kernels.calls import NUMBERS, Call
from mmtwin.kernels.host.build import AgentError, agent_program
from mmtwin.kernels.host.wire import (
    MASK,
    SLOTS,
    Answer,
    Kind,
    Op,
    Report,
    Texts,
    command,
    read_answer,
)

ADDR_NO_RANDOMIZE: Final = 0x40000
KEEP_LIMIT: Final = MASK
BATCH: Final = 256
"""Calls under way at once: their commands must fit a pipe, or both sides would wait."""
PATIENCE_SECONDS: Final = 20.0

IPC_RMID: Final = 0
IPC_CREAT: Final = 0o1000
CAPABILITY_VERSION_3: Final = 0x20080522


class KernelDiedError(AgentError):
    """A process was ended by a signal; ``done`` holds the answers up to there."""

    def __init__(self, signal: int, done: list[Answer]) -> None:
        super().__init__(f"the process was ended by signal {signal} after {len(done)} answers")
        self.signal = signal
        self.done = done


@dataclass(frozen=True, slots=True)
class Image:
    """A fresh process: its maps, and [start, end) of the agent's own image in it."""

    pid: int
    maps: str
    start: int
    end: int


class HostKernel:
    """A controller and its workers, on this machine's kernel.

    Use as a context manager: leaving it ends every process that it started. ``segments`` are the
    sizes in bytes of the System V segments that ``shmat`` calls may name by their place.
    """

    def __init__(self, *, program: Path | None = None, segments: Sequence[int] = ()) -> None:
        self._program = program or agent_program()
        self._segment_sizes = list(segments)
        self._segments: list[int] = []
        self._texts = [Texts() for _ in range(SLOTS)]
        self._current = 0
        self._held = bytearray()
        self._child: subprocess.Popen[bytes] | None = None
        self._to_agent = self._from_agent = -1
        self._start()

    def __enter__(self) -> HostKernel:
        """This kernel."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End every process."""
        self.close()

    def close(self) -> None:
        """End the controller; its workers are killed with it."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                stream.close()
        self._held.clear()

    def restart(self) -> None:
        """A new controller in place of one whose state is in doubt."""
        self.close()
        self._start()

    def spawn(
        self, slot: int = 1, *, personality: int = 0, stack_limit: int | None = None
    ) -> Image:
        """A worker with a fresh image in ``slot``; it makes the calls of that slot.

        ``personality`` is added to ADDR_NO_RANDOMIZE; ``stack_limit`` is the soft RLIMIT_STACK at
        exec, in bytes (None: as this process has it).
        """
        self._texts[slot] = Texts()
        limit = KEEP_LIMIT if stack_limit is None else stack_limit
        order = self._switch(0) + command(Op.SPAWN, slot, (ADDR_NO_RANDOMIZE | personality, limit))
        self._write(order)
        answer = self._answer(Report.MAPS)
        if answer.kind is Kind.DIED or answer.slot != slot or answer.result < 0:
            raise AgentError(f"the agent did not start in slot {slot}: {answer}")
        self._current = slot
        maps = answer.maps or ""
        start, end = agent_image(maps, answer.detail)
        return Image(answer.result, maps, start, end)

    def carry_out(self, calls: Sequence[Call], reports: Report = Report.MAPS) -> list[Answer]:
        """Make the calls one after another; one answer for each, two for a fork that succeeds
        (the parent's, then the child's).

        Raises KernelDiedError when a process is ended by a signal, AgentError when the agent is
        silent.
        """
        answers: list[Answer] = []
        waiting: list[Call] = []
        orders = bytearray()
        for call in calls:
            orders += self._switch(call.slot)
            orders += self._order(call, reports)
            waiting.append(call)
            if call.name in ("fork", "exit") or len(waiting) == BATCH:
                self._exchange(orders, waiting, reports, answers)
        self._exchange(orders, waiting, reports, answers)
        return answers

    def _exchange(
        self, orders: bytearray, waiting: list[Call], reports: Report, answers: list[Answer]
    ) -> None:
        """Send ``orders``, read the answers to ``waiting``; both are empty afterwards."""
        self._write(bytes(orders))
        orders.clear()
        for call in waiting:
            gone = call.name == "exit"
            answer = self._answer(Report.NONE if gone else reports)
            if answer.kind is Kind.DIED:
                self.restart()
                raise KernelDiedError(answer.detail & 0x7F, answers)
            answers.append(answer)
            if gone:
                self._current = 0
            elif call.name == "fork" and answer.result > 0:
                answers.append(self._answer(reports))
                self._current = call.args[0]
        waiting.clear()

    def _order(self, call: Call, reports: Report) -> bytes:
        """The command for one call."""
        name, args = call.name, call.args
        if name == "touch":
            return command(Op.TOUCH, 0, args, reports=reports)
        if name == "fork":
            self._texts[args[0]] = Texts()
            return command(Op.FORK, args[0], reports=reports)
        if name == "exit":
            return command(Op.EXIT)
        if name == "look":
            return command(Op.LOOK, reports=reports)
        number = NUMBERS.get("prlimit64" if name == "setrlimit" else name)
        if number is None:
            raise ValueError(f"no call is named {name!r}")
        pointers, payload = 0, b""
        if name == "setrlimit":
            resource, soft, hard = args
            payload, pointers = struct.pack("=QQ", soft, hard), 1 << 2
            args = (0, resource, 0, 0)
        elif name == "capset":
            (kept,) = args
            low, high = kept & 0xFFFFFFFF, kept >> 32
            head = struct.pack("=II", CAPABILITY_VERSION_3, 0)
            payload, pointers = head + struct.pack("=6I", low, low, 0, high, high, 0), 0b11
            args = (0, len(head))
        elif name in ("open", "memfd_create"):
            payload, pointers = (call.text or b"") + b"\0", 1
            args = (0, *args)
        elif name == "prctl" and call.text is not None:
            payload, pointers = call.text + b"\0", 1 << 4
            args = (*args[:4], 0)
        elif name == "mincore":
            pointers = 1 << 2
            args = (*args[:2], 0)
        elif name == "shmat":
            args = (self._segments[args[0]], *args[1:])
        return command(Op.CALL, number, args, pointers=pointers, reports=reports, payload=payload)

    def _switch(self, slot: int) -> bytes:
        """The command that passes the token on to ``slot``; nothing if it is there."""
        if slot == self._current:
            return b""
        self._current = slot
        return command(Op.SWITCH, slot)

    def _answer(self, reports: Report) -> Answer:
        return read_answer(self._read, reports, self._texts.__getitem__)

    def _start(self) -> None:
        try:
            child = subprocess.Popen(
                [str(self._program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
            )
        except OSError as error:
            raise AgentError(f"cannot run the agent {self._program}: {error.strerror}") from error
        if child.stdin is None or child.stdout is None:
            raise AgentError("the agent has no pipes")
        self._child = child
        self._to_agent, self._from_agent = child.stdin.fileno(), child.stdout.fileno()
        self._current = 0
        self._segments = [self._make_segment(size) for size in self._segment_sizes]

    def _make_segment(self, size: int) -> int:
        """A segment that lives as long as the controller: attached there and marked removed."""
        (made,) = self._controller("shmget", 0, size, IPC_CREAT | 0o600)
        self._controller("shmat", made, 0, 0)
        self._controller("shmctl", made, IPC_RMID, 0)
        return made

    def _controller(self, name: str, *args: int) -> tuple[int]:
        """A system call of the controller itself; raises AgentError if it fails."""
        self._write(command(Op.CALL, NUMBERS[name], args))
        answer = self._answer(Report.NONE)
        if -4096 < answer.result < 0:
            raise AgentError(f"{name}: {os.strerror(-answer.result)}")
        return (answer.result,)

    def _write(self, orders: bytes) -> None:
        view = memoryview(orders)
        while view:
            try:
                view = view[os.write(self._to_agent, view) :]
            except BrokenPipeError as error:
                raise AgentError("the agent has ended") from error

    def _read(self, count: int) -> bytes:
        held = self._held
        while len(held) < count:
            ready, _, _ = select.select([self._from_agent], [], [], PATIENCE_SECONDS)
            if not ready:
                raise AgentError(f"the agent said nothing for {PATIENCE_SECONDS:.0f} seconds")
            more = os.read(self._from_agent, 1 << 16)
            if not more:
                raise AgentError("the agent has ended")
            held += more
        taken = bytes(held[:count])
        del held[:count]
        return taken


def agent_image(maps: str, inside: int) -> tuple[int, int]:
    """[start, end) of the run of adjacent mappings around the address ``inside``.

    Raises AgentError if no line of ``maps`` holds it.
    """
    start = end = 0
    for line in maps.splitlines():
        low, high = (int(part, 16) for part in line.split(" ", 1)[0].split("-"))
        if low != end:
            if start <= inside < end:
                break
            start = low
        end = high
    if not start <= inside < end:
        raise AgentError("the agent's image is not in its maps")
    return start, end
