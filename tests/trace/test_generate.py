"""Workloads from a seed."""

import os
from pathlib import Path
from random import Random

import pytest

from mmtwin.kernels.calls import Call as HostCall
from mmtwin.kernels.host import build, kernel
from mmtwin.kernels.host.wire import Report
from mmtwin.trace import calls
from mmtwin.trace.generate import Answers, workload
from mmtwin.trace.maps import parse_maps
from mmtwin.trace.programs import PROGRAMS, Ask, Write
from mmtwin.trace.reader import read_trace
from mmtwin.trace.records import Call, Exec, Gone, Touch
from mmtwin.trace.room import Room
from mmtwin.trace.writer import TraceWriter


@pytest.mark.parametrize("kind", PROGRAMS)
def test_same_seed_same_trace(kind: str) -> None:
    assert list(workload(kind, 300, 5)) == list(workload(kind, 300, 5))
    assert list(workload(kind, 300, 5)) != list(workload(kind, 300, 6))


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_workload_is_a_trace(tmp_path: Path, kind: str) -> None:
    """Written and read back it is the same; it has as many calls as asked for, no results."""
    path = tmp_path / "t.jsonl.zst"
    made = list(workload(kind, 500))
    with TraceWriter(path) as writer:
        for record in made:
            writer.write(record)

    assert list(read_trace(path)) == made
    first, *middle, last = made
    assert isinstance(first, Exec)
    assert isinstance(last, Gone)
    called = [r for r in middle if isinstance(r, Call)]
    assert len(called) == 500
    assert all(c.ret is None and c.maps is None for c in called)


def test_touches_can_be_left_out() -> None:
    without = list(workload("malloc", 200, touches=False))
    assert not any(isinstance(r, Touch) for r in without)
    assert any(isinstance(r, Touch) for r in workload("malloc", 200))


def test_a_thousand_calls_are_the_first_of_two_thousand() -> None:
    shorter = list(workload("mixed", 1000, 3))[:-1]
    assert list(workload("mixed", 2000, 3))[: len(shorter)] == shorter


def test_unknown_kind() -> None:
    with pytest.raises(KeyError):
        next(workload("none", 1))


# The model of free addresses.


def test_room_against_a_set_of_pages() -> None:
    """Ranges behave as the set of their pages does."""
    r = Random(1)
    room, mapped = Room(0, 64), set[int]()
    for _ in range(3000):
        start = r.randrange(63)
        end = r.randrange(start + 1, 65)
        wanted = set(range(start, end))
        assert room.is_free(start, end) == (not mapped & wanted)
        if r.random() < 0.5:
            room.add(start, end)
            mapped |= wanted
        else:
            room.remove(start, end)
            mapped -= wanted
        length = r.randrange(1, 8)
        fits = [a for a in range(65 - length) if not mapped & set(range(a, a + length))]
        assert room.find(length) == (fits[-1] if fits else 0)


@pytest.mark.parametrize("kind", PROGRAMS)
def test_this_machines_kernel_gives_the_same_answers(kind: str, tmp_path: Path) -> None:
    """No call of a workload fails, and each address is the one that the generator expected."""
    try:
        build.agent_program()
    except build.NotHereError as error:
        pytest.skip(str(error))
    file = tmp_path / "file"
    file.write_bytes(b"x" * (1 << 20))
    with kernel.HostKernel() as host:
        image = host.spawn(stack_limit=8 << 20)

        def ask(name: str, args: tuple[int, ...], text: bytes | None = None) -> int:
            (answer,) = host.carry_out([HostCall(1, name, args, text)], Report.NONE)
            return answer.result

        brk = ask("brk", (0,))
        descriptor = ask("open", (os.O_RDWR,), os.fsencode(file))
        assert descriptor >= 0
        mappings = [m for m in parse_maps(image.maps) if m.name not in ("[stack]", "[vsyscall]")]
        room = Room(brk + (1 << 40), max(m.end for m in mappings))
        for mapping in mappings[-8:]:
            if mapping.start > brk + (1 << 40):
                room.add(mapping.start, mapping.end)
        answers = Answers(room, brk)
        program = PROGRAMS[kind](Random(11))
        request = next(program)
        for _ in range(1500):
            if isinstance(request, Write):
                assert ask("touch", (request.address, request.size, 1)) == 0
                request = program.send(0)
                continue
            expected = answers.answer(request)
            args = list(request.args)
            if request.file is not None:
                args[4] = descriptor
            assert ask(calls.NAMES[request.op], tuple(args)) == expected, request
            request = program.send(expected)
            assert isinstance(request, Ask | Write)
