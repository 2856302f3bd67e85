"""The agent's stream, the guest's archive, what is said when something is missing."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from mmtwin.kernels.host.agent import agent_image
from mmtwin.kernels.host.build import AgentError, agent_program
from mmtwin.kernels.host.wire import (
    ANSWER,
    COMMAND,
    SAME_AS_BEFORE,
    Kind,
    Op,
    Report,
    Texts,
    command,
    read_answer,
)
from mmtwin.kernels.qemu.image import cpio
from mmtwin.kernels.qemu.kernel import KERNEL_VARIABLE, QEMU_VARIABLE, find_kernel, find_qemu


def reader(stream: bytes) -> Callable[[int], bytes]:
    left = [stream]

    def read(count: int) -> bytes:
        taken, left[0] = left[0][:count], left[0][count:]
        assert len(taken) == count
        return taken

    return read


def test_a_command() -> None:
    order = command(Op.CALL, 9, (1, 2**64 - 1), pointers=3, reports=Report.MAPS, payload=b"ab")
    assert COMMAND.unpack(order[:64]) == (0, 3, 1, 2, 9, 1, 2**64 - 1, 0, 0, 0, 0)
    assert order[64:] == b"ab"
    with pytest.raises(ValueError, match="payload of 4097 bytes"):
        command(Op.CALL, payload=b"x" * 4097)


def chunked(*parts: bytes) -> bytes:
    return b"".join(struct.pack("=I", len(part)) + part for part in (*parts, b""))


def test_answers_and_texts_that_stay_the_same() -> None:
    texts = Texts()
    head = ANSWER.pack(-22, 3, Kind.RESULT, 5)
    reports = Report.MAPS | Report.STATUS
    first = read_answer(
        reader(head + chunked(b"one", b"two") + chunked(b"s")), reports, lambda slot: texts
    )
    assert (first.result, first.slot, first.detail) == (-22, 3, 5)
    assert (first.maps, first.status) == ("onetwo", "s")
    same = struct.pack("=I", SAME_AS_BEFORE)
    again = read_answer(reader(head + same + chunked(b"s")), reports, lambda slot: texts)
    assert again.maps == "onetwo"
    dead = read_answer(reader(ANSWER.pack(0, 0, Kind.DIED, 11)), reports, lambda slot: texts)
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


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(KERNEL_VARIABLE, raising=False)
    monkeypatch.setenv(QEMU_VARIABLE, "no-such-program")
    with pytest.raises(AgentError, match="install qemu-system-x86"):
        find_qemu()
    with pytest.raises(AgentError, match="make guest"):
        find_kernel()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(AgentError, match="install gcc"):
        agent_program("no-such-compiler")
