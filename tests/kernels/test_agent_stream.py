"""The agent's stream, the guest's archive, what is said when something is missing."""

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mmtwin.kernels.host.agent import agent_image
from mmtwin.kernels.host.build import AgentError, agent_program
from mmtwin.kernels.host.machines import S390X, X86_64, Machine
from mmtwin.kernels.host.wire import (
    SAME_AS_BEFORE,
    Kind,
    Op,
    Report,
    Texts,
    command,
    read_answer,
)
from mmtwin.kernels.qemu.guests import GUESTS, guest
from mmtwin.kernels.qemu.image import cpio
from mmtwin.kernels.qemu.packages import (
    KERNEL_VARIABLE,
    QEMU_VARIABLE,
    find_kernel,
    find_qemu,
)


def reader(stream: bytes) -> Callable[[int], bytes]:
    left = [stream]

    def read(count: int) -> bytes:
        taken, left[0] = left[0][:count], left[0][count:]
        assert len(taken) == count
        return taken

    return read


MACHINES = pytest.mark.parametrize("machine", [X86_64, S390X], ids=lambda machine: machine.name)


@MACHINES
def test_a_command(machine: Machine) -> None:
    order = command(
        Op.CALL, 9, (1, -1), pointers=3, reports=Report.MAPS, payload=b"ab", machine=machine
    )
    assert machine.command.unpack(order[:64]) == (0, 3, 1, 2, 9, 1, 2**64 - 1, 0, 0, 0, 0)
    assert order[64:] == b"ab"
    assert order[2:4] == (b"\1\0" if machine is X86_64 else b"\0\1")
    with pytest.raises(ValueError, match="payload of 4097 bytes"):
        command(Op.CALL, payload=b"x" * 4097)


def chunked(machine: Machine, *parts: bytes) -> bytes:
    return b"".join(machine.pack("I", len(part)) + part for part in (*parts, b""))


@MACHINES
def test_answers_and_texts_that_stay_the_same(machine: Machine) -> None:
    texts = Texts()
    head = machine.answer.pack(-22, 3, Kind.RESULT, 5)
    reports = Report.MAPS | Report.STATUS
    status = chunked(machine, b"s")
    stream = head + chunked(machine, b"one", b"two") + status
    first = read_answer(reader(stream), reports, lambda slot: texts, machine)
    assert (first.result, first.slot, first.detail) == (-22, 3, 5)
    assert (first.maps, first.status) == ("onetwo", "s")
    same = machine.pack("I", SAME_AS_BEFORE)
    again = read_answer(reader(head + same + status), reports, lambda slot: texts, machine)
    assert again.maps == "onetwo"
    died = machine.answer.pack(0, 0, Kind.DIED, 11)
    dead = read_answer(reader(died), reports, lambda slot: texts, machine)
    assert dead.kind is Kind.DIED
    assert dead.maps is None


def test_where_the_agent_is() -> None:
    maps = "1000-2000 r-xp 0 00:00 0 \n2000-3000 rw-p 0 00:00 0 \n9000-a000 rw-p 0 00:00 0 \n"
    assert agent_image(maps, 0x2800) == (0x1000, 0x3000)
    assert agent_image(maps, 0x9000) == (0x9000, 0xA000)
    with pytest.raises(AgentError, match="not in its maps"):
        agent_image(maps, 0x5000)


def test_the_archive() -> None:
    archive = gzip.decompress(cpio({"init": b"abc", "f": b""}, "init"))
    assert archive.startswith(b"070701")
    assert len(archive) % 4 == 0
    assert b"init\0" in archive
    assert archive.rstrip(b"\0").endswith(b"TRAILER!!!")
    mode = int(archive[14:22], 16)
    assert mode == 0o100755
    folder = gzip.decompress(cpio({"d/f": b""}, "init"))
    assert int(folder[14:22], 16) == 0o040755
    assert folder.index(b"d\0") < folder.index(b"d/f\0")


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(KERNEL_VARIABLE, raising=False)
    monkeypatch.setenv(QEMU_VARIABLE, "no-such-program")
    for kind in GUESTS.values():
        with pytest.raises(AgentError, match=f"install {kind.qemu_package}"):
            find_qemu(kind)
        with pytest.raises(AgentError, match=f"no {kind.machine.name} kernel.*make {kind.target}`"):
            find_kernel(kind)
    with pytest.raises(AgentError, match=r"x86_64, .*s390x"):
        guest("vax")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    missing = replace(S390X, compilers=("no-such-compiler",))
    with pytest.raises(AgentError, match="install gcc-s390x-linux-gnu"):
        agent_program(missing)
