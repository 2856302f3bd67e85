"""Traces made from a seed: workloads of any length without a program to record.

A generated call has no ``ret``, because no kernel has answered it: a replay carries it out,
checks the structures and has nothing to compare. The addresses in later calls are those that
a kernel gives where nothing but free space decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

from mmtwin.trace.calls import BRK, MMAP, MREMAP, MUNMAP
from mmtwin.trace.programs import FIXED, MAYMOVE, PAGE, PROGRAMS, TO_FIXED, Ask, Write
from mmtwin.trace.records import (
    UNLIMITED,
    Args,
    Call,
    Exec,
    Gone,
    Image,
    Limits,
    Record,
    Touch,
)
from mmtwin.trace.room import Room

PID: Final = 1000
ADDR_NO_RANDOMIZE: Final = 0x0040000
PROGRAM: Final = 0x555555554000
HEAP: Final = 0x55555555A000
HEAP_ROOM: Final = 1 << 40
"""Addresses above the heap's start that no mapping takes."""
MMAP_BASE: Final = 0x7FFFF7FFF000
"""Top of the space for mappings: 128 MiB and a page below the end, with a stack of 8 MiB."""
STACK: Final = 0x7FFFFFFDE000
STACK_END: Final = 0x7FFFFFFFF000


def _line(start: int, end: int, rest: str, name: str = "") -> str:
    head = f"{start:08x}-{end:08x} {rest} "
    return f"{head:<73}{name}\n" if name else f"{head}\n"


def _image() -> Exec:
    """A small static program, freshly started without randomisation."""
    path = "/usr/bin/workload"
    maps = "".join(
        (
            _line(PROGRAM, PROGRAM + PAGE, "r--p 00000000 fe:00 4242", path),
            _line(PROGRAM + PAGE, PROGRAM + 4 * PAGE, "r-xp 00001000 fe:00 4242", path),
            _line(PROGRAM + 4 * PAGE, HEAP - PAGE, "rw-p 00004000 fe:00 4242", path),
            _line(MMAP_BASE - 6 * PAGE, MMAP_BASE - 2 * PAGE, "r--p 00000000 00:00 0", "[vvar]"),
            _line(MMAP_BASE - 2 * PAGE, MMAP_BASE, "r-xp 00000000 00:00 0", "[vdso]"),
            _line(STACK, STACK_END, "rw-p 00000000 00:00 0", "[stack]"),
        )
    )
    return Exec(
        1,
        PID,
        maps,
        exe=path,
        image=Image(
            start_code=PROGRAM + PAGE,
            end_code=PROGRAM + 4 * PAGE,
            start_data=PROGRAM + 4 * PAGE,
            end_data=HEAP - PAGE,
            start_brk=HEAP,
            start_stack=STACK_END - 2 * PAGE,
            arg_start=STACK_END - PAGE,
            env_end=STACK_END - 8,
        ),
        limits=Limits(stack=8 << 20, address_space=UNLIMITED, data=UNLIMITED, memlock=8 << 20),
        personality=ADDR_NO_RANDOMIZE,
        ipc_lock=False,
    )


class Answers:
    """Answers requests as a kernel would where free space alone decides.

    ``room`` is the space for mappings, ``brk`` the break to begin with.
    """

    def __init__(self, room: Room, brk: int) -> None:
        self._room = room
        self._brk = brk

    def answer(self, ask: Ask) -> int:
        """The call's result, and its effect on what is free."""
        args = ask.args
        if ask.op == MMAP:
            return self._map(args[0], args[1], args[3] & FIXED != 0)
        if ask.op == MUNMAP:
            self._room.remove(args[0], args[0] + args[1])
        elif ask.op == MREMAP:
            return self._remap(*args)
        elif ask.op == BRK:
            self._brk = args[0] or self._brk
            return self._brk
        return 0

    def _map(self, hint: int, length: int, fixed: bool) -> int:
        place = hint if fixed else self._room.find(length)
        self._room.add(place, place + length)
        return place

    def _remap(self, start: int, old: int, new: int, flags: int, to: int = 0) -> int:
        room = self._room
        if flags == TO_FIXED:
            room.remove(start, start + old)
            return self._map(to, new, True)
        if new <= old:
            room.remove(start + new, start + old)
            return start
        if flags != MAYMOVE or room.is_free(start + old, start + new):
            room.add(start + old, start + new)
            return start
        place = self._map(0, new, False)
        room.remove(start, start + old)
        return place


def workload(kind: str, calls: int, seed: int = 0, *, touches: bool = True) -> Iterator[Record]:
    """A trace of one process: an ``exec``, ``calls`` calls of a kind of ``PROGRAMS``, its end.

    With ``touches`` the program's writes stand between the calls, as ``touch`` records. The
    same arguments give the same trace. Raises ``KeyError`` for an unknown kind.
    """
    program = PROGRAMS[kind](Random(seed))
    room = Room(HEAP + HEAP_ROOM, MMAP_BASE)
    room.add(MMAP_BASE - 6 * PAGE, MMAP_BASE)
    answers = Answers(room, HEAP)
    yield _image()
    line = 1
    made = 0
    request = next(program)
    while made < calls:
        if isinstance(request, Write):
            if touches:
                line += 1
                yield Touch(line, PID, request.address, request.size, True)
            request = program.send(0)
            continue
        line += 1
        made += 1
        args: Args = (*request.args, 0, 0, 0, 0, 0)[:6]  # type: ignore[assignment]
        call = Call(line, PID, request.op, args)
        call.file = request.file
        yield call
        request = program.send(answers.answer(request))
    yield Gone(line + 1, PID)
