"""The agent's stream: commands out, answers in (the layouts of ``native/agent.c``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from mmtwin.kernels.host.machines import MASK, X86_64, Machine

SLOTS = 16
SCRATCH_BYTES = 4096
SAME_AS_BEFORE = 0xFFFFFFFF


class Op(IntEnum):
    """What the agent can be told to do."""

    CALL = 0
    TOUCH = 1
    FORK = 2
    SPAWN = 3
    SWITCH = 4
    EXIT = 5
    LOOK = 6
    SYNC = 7


class Report(IntFlag):
    """What the agent sends after the result, in this order."""

    NONE = 0
    MAPS = 1
    SMAPS = 2
    STATUS = 4
    SCRATCH = 8
    MEMORY = 16
    PAGEMAP = 32


class Kind(IntEnum):
    """An answer's kind: a result, or the news that a worker was ended by a signal."""

    RESULT = 0
    DIED = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the agent.

    ``result`` is the call's result, a negative errno on failure. ``detail`` of a touch:
    pages reached << 32 | signal << 16 | si_code; of ``Kind.DIED``: the wait status.
    Texts are None where not asked for.
    """

    result: int
    slot: int
    kind: Kind
    detail: int
    maps: str | None = None
    smaps: str | None = None
    status: str | None = None
    scratch: bytes | None = None
    memory: str | None = None
    pagemap: bytes | None = None


def command(
    op: Op,
    number: int = 0,
    args: tuple[int, ...] = (),
    *,
    pointers: int = 0,
    reports: Report = Report.NONE,
    payload: bytes = b"",
    machine: Machine = X86_64,
) -> bytes:
    """The bytes of one command.

    ``number`` is the system call's number or a slot; missing ``args`` are 0; bit i of
    ``pointers`` makes argument i an offset into ``payload``. Raises ValueError if the
    payload is longer than the agent's scratch page.
    """
    if len(payload) > SCRATCH_BYTES:
        raise ValueError(f"payload of {len(payload)} bytes; at most {SCRATCH_BYTES}")
    values = [value & MASK for value in args] + [0] * (6 - len(args))
    head = machine.command.pack(op, pointers, reports, len(payload), number, *values)
    return head + payload


def read_section(read: Callable[[int], bytes], machine: Machine) -> bytes | None:
    """One report; None if the agent says that it equals the last one."""
    chunks: list[bytes] = []
    while True:
        (length,) = machine.length.unpack(read(machine.length.size))
        if length == SAME_AS_BEFORE:
            return None
        if length == 0:
            return b"".join(chunks)
        chunks.append(read(length))


@dataclass(slots=True)
class Texts:
    """The last maps and smaps of one slot, for answers that say "as before"."""

    maps: str = ""
    smaps: str = ""


def read_answer(
    read: Callable[[int], bytes],
    reports: Report,
    last: Callable[[int], Texts],
    machine: Machine = X86_64,
) -> Answer:
    """Read one answer. ``last`` gives a slot's last texts, which are kept up to date here."""
    result, slot, kind, detail = machine.answer.unpack(read(machine.answer.size))
    if kind == Kind.DIED:
        return Answer(result, slot, Kind.DIED, detail)
    texts = last(slot)
    maps = smaps = status = memory = None
    scratch = pagemap = None
    if reports & Report.MAPS:
        section = read_section(read, machine)
        if section is not None:
            texts.maps = section.decode("utf-8", "surrogateescape")
        maps = texts.maps
    if reports & Report.SMAPS:
        section = read_section(read, machine)
        if section is not None:
            texts.smaps = section.decode("utf-8", "surrogateescape")
        smaps = texts.smaps
    if reports & Report.STATUS:
        status = (read_section(read, machine) or b"").decode("utf-8", "surrogateescape")
    if reports & Report.SCRATCH:
        scratch = read_section(read, machine) or b""
    if reports & Report.MEMORY:
        memory = (read_section(read, machine) or b"").decode()
    if reports & Report.PAGEMAP:
        pagemap = read_section(read, machine) or b""
    return Answer(result, slot, Kind.RESULT, detail, maps, smaps, status, scratch, memory, pagemap)
