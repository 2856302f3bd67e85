"""The agent from outside: a controller and its workers, over any stream of bytes.

Every process has a fresh image of the agent, without address randomisation; see
``native/agent.c`` for what is in it. Nothing of this is safe against calls that hit the agent's own
image (``Image``): such a process dies, and ``KernelDiedError`` says so.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from mmtwin.kernels import abi
from mmtwin.kernels.calls import Call
from mmtwin.kernels.host.build import AgentError
from mmtwin.kernels.host.machines import X86_64, Machine
from mmtwin.kernels.host.segments import Segments
from mmtwin.kernels.host.wire import (
    SCRATCH_BYTES,
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
BATCH: Final = 256
"""Calls under way at once: their commands must fit a pipe, or both sides would wait."""

O_WRONLY: Final = 1
O_APPEND: Final = 0o2000
REFUSED: Final = (errno.ENOMEM, errno.EPERM)
TMPFS_MAGIC: Final = 0x01021994
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


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a kernel says of a file: device, inode number, bytes, whether it is a directory.

    ``tmpfs``: it lies in memory.
    """

    major: int
    minor: int
    inode: int
    size: int
    directory: bool
    tmpfs: bool = False


class Agent(Segments):
    """A controller and its workers.

    Use as a context manager: leaving it ends every process that it started. ``segments`` are the
    sizes in bytes of the System V segments that ``shmat`` calls may name by their place.
    """

    own_machine = False
    """Whether the kernel has no other processes: its settings may be changed, its sums compared."""

    def __init__(self, segments: Sequence[int] = (), *, machine: Machine = X86_64) -> None:
        self.machine = machine
        super().__init__(segments)
        self._texts = [Texts() for _ in range(SLOTS)]
        self._current = 0
        self._alive: set[int] = set()
        self.pids: dict[int, int] = {}
        """Process ids by slot, of the living and of those that were there before."""
        self._scratch_at = 0
        self._vm: dict[str, int] = {"overcommit_memory": 0}
        """Settings of vm as they were last made."""

    def __enter__(self) -> Self:
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

    @abstractmethod
    def close(self) -> None:
        """End the controller and its workers."""

    @abstractmethod
    def fresh(self) -> None:
        """No worker is left; whatever state the last run left behind is gone."""

    @abstractmethod
    def _write(self, orders: bytes) -> None:
        """Send bytes to the agent."""

    @abstractmethod
    def _read(self, count: int) -> bytes:
        """Exactly ``count`` bytes of the agent's; AgentError if they do not come."""

    def _command(
        self,
        op: Op,
        number: int = 0,
        args: tuple[int, ...] = (),
        *,
        pointers: int = 0,
        reports: Report = Report.NONE,
        payload: bytes = b"",
    ) -> bytes:
        """One command's bytes in the machine's order (see ``wire.command``)."""
        return command(
            op,
            number,
            args,
            pointers=pointers,
            reports=reports,
            payload=payload,
            machine=self.machine,
        )

    def _begin(self) -> None:
        """A new controller stands ready."""
        self._current = 0
        self._alive.clear()
        self._make_segments()

    def _answer_of_start(self) -> None:
        """Wait for the word that a controller which is process 1 says first."""
        self._answer(Report.NONE)
        self._begin()

    # Workers.

    def spawn(
        self, slot: int = 1, *, personality: int = 0, stack_limit: int | None = None
    ) -> Image:
        """A worker with a fresh image in ``slot``; it makes the calls of that slot.

        ``personality`` is added to ADDR_NO_RANDOMIZE; ``stack_limit`` is the soft RLIMIT_STACK at
        exec, in bytes (None: as this process has it).
        """
        self._texts[slot] = Texts()
        limit, given = (0, 0) if stack_limit is None else (stack_limit, 1)
        order = self._switch(0) + self._command(
            Op.SPAWN, slot, (ADDR_NO_RANDOMIZE | personality, limit, given)
        )
        self._write(order)
        answer = self._answer(Report.MAPS)
        if answer.kind is Kind.DIED or answer.slot != slot or answer.result < 0:
            raise AgentError(f"the agent did not start in slot {slot}: {answer}")
        self._current = slot
        self._alive.add(slot)
        self.pids[slot], self._scratch_at = answer.result, answer.detail
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
            answer = self._answer(Report.NONE if gone else reports_of(call, reports))
            if answer.kind is Kind.DIED:
                # The controller hears nothing more of what was sent to the dead.
                self._alive.discard(call.slot)
                self._current = 0
                self._write(self._command(Op.SYNC))
                self._answer(Report.NONE)
                raise KernelDiedError(answer.detail & 0x7F, answers)
            answers.append(answer)
            if gone:
                self._alive.discard(call.slot)
                self._current = 0
            elif call.name == "fork" and answer.result > 0:
                answers.append(self._answer(reports))
                self._current = call.args[0]
                self._alive.add(self._current)
                self.pids[self._current] = answer.result
        waiting.clear()

    def _end_workers(self) -> None:
        """Let every worker exit, one after another."""
        for slot in sorted(self._alive):
            self._write(self._switch(slot) + self._command(Op.EXIT))
            self._answer(Report.NONE)
            self._current = 0
        self._alive.clear()

    def _order(self, call: Call, reports: Report) -> bytes:
        """The command for one call."""
        name, args, slot = call.name, call.args, call.slot
        if name == "touch":
            return self._command(Op.TOUCH, 0, args, reports=reports)
        if name == "fork":
            self._texts[args[0]] = Texts()
            return self._command(Op.FORK, args[0], reports=reports)
        if name == "exit":
            return self._command(Op.EXIT)
        if name == "look":
            return self._command(Op.LOOK, reports=reports)
        reports = reports_of(call, reports)
        name_of_call = {"setrlimit": "prlimit64"}.get(name, name)
        if name.startswith("uffdio_"):
            name_of_call = "ioctl"
        number = self.machine.numbers.get(name_of_call)
        if number is None:
            raise ValueError(f"no call is named {name!r}")
        pointers, payload = 0, b""
        if name == "setrlimit":
            resource, soft, hard = args
            payload, pointers = self.machine.pack("QQ", soft, hard), 1 << 2
            args = (0, resource, 0, 0)
        elif name == "capset":
            (kept,) = args
            low, high = kept & 0xFFFFFFFF, kept >> 32
            head = self.machine.pack("II", CAPABILITY_VERSION_3, 0)
            payload, pointers = head + self.machine.pack("6I", low, low, 0, high, high, 0), 0b11
            args = (0, len(head))
        elif name in ("open", "memfd_create", "unlink"):
            payload, pointers = (call.text or b"") + b"\0", 1
            args = (0, *args)
        elif name == "prctl" and call.text is not None:
            payload, pointers = call.text + b"\0", 1 << 4
            args = (*args[:4], 0)
        elif name == "mincore":
            pointers, payload = 1 << 2, bytes(core_bytes(call))
            args = (*args[:2], 0)
        elif name == "shmat":
            self._used_segments = True
            args = (self._segments[args[0]], *args[1:])
        elif name == "mbind":
            payload, pointers = self.machine.pack("Q", args[3]), 1 << 3 if args[3] else 0
            args = (*args[:3], 0, *args[4:])
        elif name == "uffdio_api":
            payload, pointers = self.machine.pack("QQQ", abi.UFFD_API, 0, 0), 1 << 2
            args = (args[0], abi.UFFDIO_API, 0)
        elif name == "uffdio_register":
            payload, pointers = self.machine.pack("QQQQ", *args[1:], 0), 1 << 2
            args = (args[0], abi.UFFDIO_REGISTER, 0)
        elif name == "uffdio_unregister":
            payload, pointers = self.machine.pack("QQ", *args[1:]), 1 << 2
            args = (args[0], abi.UFFDIO_UNREGISTER, 0)
        elif name == "process_madvise":
            payload, pointers = self.machine.pack("QQ", *args[:2]), 1 << 1
            args = (abi.SELF, 0, 1, *args[2:])
        elif name in ("process_vm_readv", "process_vm_writev"):
            addr, length = args
            # Both lists, then the room for the bytes themselves.
            lists = self.machine.pack("QQQQ", self._scratch_at + 32, length, addr, length)
            payload, pointers = lists + b"\1" * length, 0b1010
            args = (self.pids[slot], 0, 1, 16, 1, 0)
        return self._command(
            Op.CALL, number, args, pointers=pointers, reports=reports, payload=payload
        )

    def _switch(self, slot: int) -> bytes:
        """The command that passes the token on to ``slot``; nothing if it is there."""
        if slot == self._current:
            return b""
        self._current = slot
        return self._command(Op.SWITCH, slot)

    def _answer(self, reports: Report) -> Answer:
        return read_answer(self._read, reports, self._texts.__getitem__, self.machine)

    # What the controller can tell.

    def _controller(
        self,
        name: str,
        *args: int,
        pointers: int = 0,
        payload: bytes = b"",
        back: bool = False,
        may_refuse: bool = False,
    ) -> Answer:
        """A system call of the controller itself; ``back`` asks for the payload after it.

        Raises AgentError if the call fails; with ``may_refuse`` not for lack of memory or rights.
        """
        reports = Report.SCRATCH if back else Report.NONE
        order = self._command(
            Op.CALL,
            self.machine.numbers[name],
            args,
            pointers=pointers,
            payload=payload,
            reports=reports,
        )
        self._write(self._switch(0) + order)
        answer = self._answer(reports)
        if -4096 < answer.result < 0 and not (may_refuse and -answer.result in REFUSED):
            raise AgentError(f"{name}: {os.strerror(-answer.result)}")
        return answer

    def read_text(self, path: str) -> str:
        """The content of a file as the kernel's processes see it; AgentError if it cannot be."""
        file = self._controller("open", 0, 0, 0, pointers=1, payload=path.encode() + b"\0").result
        parts = []
        while True:
            room = b"\0" * SCRATCH_BYTES
            answer = self._controller(
                "read", file, 0, SCRATCH_BYTES, pointers=2, payload=room, back=True
            )
            if answer.result == 0:
                break
            parts.append((answer.scratch or b"")[: answer.result])
        self._controller("close", file)
        return b"".join(parts).decode("utf-8", "surrogateescape")

    def write_text(self, path: str, text: str, *, append: bool = False) -> None:
        """Write a setting, or add to one; AgentError if the kernel refuses."""
        name = path.encode() + b"\0"
        how = O_WRONLY | (O_APPEND if append else 0)
        file = self._controller("open", 0, how, 0, pointers=1, payload=name).result
        content = text.encode()
        try:
            self._controller("write", file, 0, len(content), pointers=2, payload=content)
        finally:
            self._controller("close", file)

    def set_vm(self, name: str, value: int) -> None:
        """Give vm.``name`` a value that it may have already."""
        if self._vm.get(name) != value:
            self.write_text(f"/proc/sys/vm/{name}", str(value))
            self._vm[name] = value

    def file_facts(self, path: str) -> FileFacts:
        """stat(2) of a path; AgentError if there is no such file."""
        name = path.encode() + b"\0"
        name += b"\0" * (-len(name) % 8)
        payload = name + b"\0" * 144
        answer = self._controller("stat", 0, len(name), pointers=3, payload=payload, back=True)
        fields = self.machine.stat.unpack_from(answer.scratch or b"", len(name))
        device, inode, mode, size = fields[0], fields[1], fields[3], fields[8]
        payload = name + b"\0" * 128
        answer = self._controller("statfs", 0, len(name), pointers=3, payload=payload, back=True)
        # f_type: a long where longs are the machine's words, an int on s390.
        form = self.machine.order + ("I" if self.machine.name == "s390x" else "Q")
        (kind,) = struct.unpack_from(form, answer.scratch or b"", len(name))
        return FileFacts(
            os.major(device),
            os.minor(device),
            inode,
            size,
            stat.S_ISDIR(mode),
            tmpfs=kind == TMPFS_MAGIC and stat.S_ISREG(mode),
        )

    def names_areas(self) -> bool:
        """Whether prctl(PR_SET_VMA) is configured: an empty range is refused only where not."""
        try:
            self._controller("prctl", 0x53564D41, 0, 0, 0, 0)
        except AgentError:
            return False
        return True

    def watches_writes(self) -> bool:
        """Whether userfaultfd may be used here and can watch for writes (not on s390)."""
        if self.machine.name == "s390x":
            return False
        try:
            watcher = self._controller("userfaultfd", abi.O_CLOEXEC).result
        except AgentError:
            return False
        self._controller("close", watcher)
        return True


def core_bytes(call: Call) -> int:
    """How long mincore's vector is, in bytes; 0 where it is longer than the scratch page."""
    pages = (call.args[1] + abi.PAGE - 1) // abi.PAGE
    return pages if pages <= SCRATCH_BYTES else 0


def reports_of(call: Call, reports: Report) -> Report:
    """What is asked for after the call: of mincore also the vector."""
    return reports | Report.SCRATCH if call.name == "mincore" else reports


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
