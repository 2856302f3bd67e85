"""Reading traces: what is accepted, what is refused, and at which line."""

import gzip
import json
import lzma
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from mmtwin.trace import calls
from mmtwin.trace.errors import TraceError
from mmtwin.trace.reader import read_trace
from mmtwin.trace.records import Call, Child, Exec, Gone, Host, Image, Limits, Record, Touch

MAPS = "7ffeee57d000-7ffeee59e000 rw-p 00000000 00:00 0                          [stack]\n"
EXEC = {"pid": 7, "call": "exec", "maps": MAPS}
BRK = {"pid": 7, "call": "brk", "args": [0, 1, 2, 3, 4, 2**64 - 1], "ret": -12}
GONE = {"pid": 7, "call": "gone"}

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes lines (JSON values, or bytes as they are) to a file and gives its path."""

    def write(*lines: Any, name: str = "t.jsonl") -> Path:
        path = tmp_path / name
        texts = [x if isinstance(x, bytes) else json.dumps(x).encode() for x in lines]
        path.write_bytes(b"".join(text + b"\n" for text in texts))
        return path

    return write


def read(path: Path) -> list[Record]:
    return list(read_trace(path))


def refused(path: Path) -> TraceError:
    with pytest.raises(TraceError) as caught:
        read(path)
    assert str(caught.value) == f"{path}:{caught.value.line}: {caught.value.reason}"
    assert "\n" not in str(caught.value)
    return caught.value


def child(pid: int, child: int, **more: Any) -> dict[str, Any]:
    return {"pid": pid, "call": "child", "child": child, "how": "clone", **more}


def brk(pid: int) -> dict[str, Any]:
    return {**BRK, "pid": pid}


def test_each_kind_of_record(write: Write) -> None:
    """Every kind of line gives its record, numbered by its line."""
    path = write(
        EXEC,
        {**BRK, "maps": MAPS},
        {"pid": 7, "call": "touch", "addr": 4096, "len": 8, "write": True},
        child(7, 8),
        {"pid": 8, "call": "gone"},
    )

    assert read(path) == [
        Exec(1, 7, MAPS),
        Call(2, 7, calls.BRK, (0, 1, 2, 3, 4, 2**64 - 1), -12, MAPS),
        Touch(3, 7, 4096, 8, True),
        Child(4, 7, 8, "clone"),
        Gone(5, 8),
    ]


def test_every_known_call(write: Write) -> None:
    lines = [{**BRK, "call": name} for name in calls.NAMES]
    read_back = read(write(EXEC, *lines))[1:]
    assert [c.op for c in read_back if isinstance(c, Call)] == list(range(len(calls.NAMES)))


def test_opcode_constants_agree_with_names() -> None:
    for number, name in enumerate(calls.NAMES):
        assert getattr(calls, name.upper()) == number


def test_what_a_newer_recorder_adds(write: Write) -> None:
    """The keys that only some recorders write, and keys nobody knows."""
    limits = {"stack": 8 << 20, "as": 2**64 - 1, "data": 2**64 - 1, "memlock": 65536}
    image = dict.fromkeys(Image.__struct_fields__, 4096)
    host = {
        "format": 1,
        "kernel": "6.18.44",
        "machine": "x86_64",
        "page_size": 4096,
        "max_map_count": 65530,
        "overcommit_memory": 0,
        "mmap_min_addr": 65536,
        "legacy_va_layout": 0,
        "thp": "madvise",
        "pku": False,
    }
    first, call = read(
        write(
            {**EXEC, "image": image, "limits": limits, "host": host, "colour": ["red", None]},
            {**BRK, "open": 3, "limits": limits, "name": "heap", "flags": 17, "size": 1, "key": 2},
        )
    )

    assert isinstance(first, Exec)
    assert first.host == Host(**host)  # type: ignore[arg-type]
    assert first.image == Image(**image)
    assert first.limits == Limits(8 << 20, 2**64 - 1, 2**64 - 1, 65536)
    assert isinstance(call, Call)
    assert (call.open, call.name, call.flags, call.size, call.key) == (3, "heap", 17, 1, 2)


def test_a_call_without_result(write: Write) -> None:
    """A generated call has no ret: there is nothing to compare."""
    call = read(write(EXEC, {k: v for k, v in BRK.items() if k != "ret"}))[1]
    assert isinstance(call, Call)
    assert call.ret is None


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b"{}",
        b"\0",
        b"{" * 100_000,
        b'{"pid":7,"call":"gone","x":' + b"[" * 100_000,
        b'{"pid":7,"call":"gone"}}',
        b'{"pid":7,"call":"gone"',
        b'{"pid":7,"call":"go\xffne"}',
        b'{"pid":7,"call":"brk","args":[0,0,0,0,0,0],"ret":0,"file":"\\ud800"}',
        b'{"pid":7,"call":"brk","args":[0,0,0,0,0,' + b"9" * 5000 + b'],"ret":0}',
        {**GONE, "pid": 0},
        {**GONE, "pid": -1},
        {**GONE, "pid": 2**31},
        {**GONE, "pid": 7.0},
        {**GONE, "pid": True},
        {**GONE, "pid": "7"},
        {**GONE, "pid": None},
        {"pid": 7},
        {"call": "gone"},
        {**GONE, "call": "open"},
        {**GONE, "call": ["gone"]},
        {"pid": 7, "call": "brk"},
        {**BRK, "args": [0] * 5},
        {**BRK, "args": [0] * 7},
        {**BRK, "args": [0, 0, 0, 0, 0, -1]},
        {**BRK, "args": [0, 0, 0, 0, 0, 2**64]},
        {**BRK, "args": [0, 0, 0, 0, 0, 0.5]},
        {**BRK, "args": None},
        {**BRK, "ret": 2**63},
        {**BRK, "ret": -(2**63) - 1},
        {**BRK, "ret": None},
        {**BRK, "maps": MAPS[:-1]},
        {**BRK, "maps": MAPS + "x\n"},
        {**BRK, "maps": 5},
        {**BRK, "file": "x" * 5000},
        {**BRK, "file": "a\0b"},
        {**BRK, "file": 3},
        {**BRK, "open": 2**64},
        {**BRK, "limits": {"stack": 1}},
        {**BRK, "limits": {"stack": -1, "as": 0, "data": 0, "memlock": 0}},
        {"pid": 7, "call": "exec"},
        {**EXEC, "maps": ""},
        {**EXEC, "maps": MAPS + MAPS},
        {"pid": 7, "call": "child", "child": 8},
        {"pid": 7, "call": "child", "how": "fork"},
        child(7, 8, how="spoon"),
        child(7, 7),
        child(7, -8),
        {"pid": 7, "call": "touch", "addr": 0, "len": 1},
        {"pid": 7, "call": "touch", "addr": 0, "len": 1, "write": 1},
        {"pid": 7, "call": "touch", "addr": 2**64 - 1, "len": 2, "write": True},
    ],
)
def test_a_line_against_the_form(write: Write, line: Any) -> None:
    """The line at fault is named."""
    assert refused(write(EXEC, BRK, line, GONE)).line == 3


def test_a_newer_format(write: Write) -> None:
    host = {
        **dict.fromkeys(Host.__struct_fields__, 0),
        "format": 2,
        "kernel": "9.9",
        "machine": "x86_64",
        "thp": "",
        "pku": True,
    }
    assert "newer" in refused(write({**EXEC, "host": host})).reason


def test_no_such_file(tmp_path: Path) -> None:
    assert refused(tmp_path / "none").line == 1


def test_a_directory(tmp_path: Path) -> None:
    assert refused(tmp_path).line == 1


def test_an_empty_file(write: Write) -> None:
    assert refused(write()).line == 1


def test_nul_in_the_name() -> None:
    with pytest.raises(TraceError):
        read(Path("a\0b"))


def test_starts_without_exec(write: Write) -> None:
    assert refused(write(BRK, EXEC)).line == 1


def test_last_line_without_newline_is_whole(write: Write) -> None:
    path = write(EXEC, GONE)
    path.write_bytes(path.read_bytes()[:-1])
    assert len(read(path)) == 2


def test_line_too_long(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of no end is refused once its limit is passed, not held."""
    monkeypatch.setattr("mmtwin.trace.streams.LINE_MAX", 1 << 20)
    path = write(EXEC, b'{"pid":7,"x":"' + b"x" * (2 << 20))
    assert refused(path).line == 2


# Who must have come before whom.


def test_unknown_thread(write: Write) -> None:
    assert refused(write(EXEC, BRK, brk(9), GONE)).line == 3


def test_gone_twice(write: Write) -> None:
    assert refused(write(EXEC, GONE, GONE)).line == 3


def test_call_after_gone(write: Write) -> None:
    assert refused(write(EXEC, GONE, BRK)).line == 3


def test_child_of_an_unknown_thread(write: Write) -> None:
    assert refused(write(EXEC, child(8, 9))).line == 2


def test_child_that_exists(write: Write) -> None:
    assert refused(write(EXEC, child(7, 8), child(7, 8))).line == 3


def test_threads_each_other_children(write: Write) -> None:
    assert refused(write(EXEC, brk(8), child(8, 9), child(9, 8))).line == 2


def test_id_given_out_again_after_gone(write: Write) -> None:
    assert len(read(write(EXEC, child(7, 8), {**GONE, "pid": 8}, child(7, 8)))) == 4


def test_id_given_out_again_after_a_thread_vanished_in_exec(write: Write) -> None:
    """A thread that execs takes the leader's id; its own id ends without a ``gone``."""
    assert len(read(write(EXEC, child(7, 8), EXEC, child(7, 8), brk(8)))) == 5


def test_child_runs_before_it_is_announced(write: Write) -> None:
    """The announcement is brought forward to where it belongs; nothing is lost."""
    records = read(write(EXEC, brk(8), BRK, brk(8), child(7, 8), brk(8)))
    assert [(r.line, type(r)) for r in records] == [
        (1, Exec),
        (5, Child),
        (2, Call),
        (3, Call),
        (4, Call),
        (6, Call),
    ]


def test_child_is_gone_before_it_is_announced(write: Write) -> None:
    records = read(write(EXEC, {**GONE, "pid": 8}, child(7, 8), GONE))
    assert [r.line for r in records] == [1, 3, 2, 4]


def test_grandchild_runs_before_anyone_is_announced(write: Write) -> None:
    records = read(write(EXEC, brk(9), child(8, 9), child(7, 8), brk(8)))
    assert [r.line for r in records] == [1, 4, 3, 2, 5]


def test_child_execs_before_it_is_announced(write: Write) -> None:
    """The exec stands on its own; the announcement says that it comes late."""
    records = read(write(EXEC, {**EXEC, "pid": 8}, child(7, 8), brk(8)))
    assert [r.line for r in records] == [1, 2, 3, 4]
    assert isinstance(records[2], Child)
    assert records[2].late


def test_search_for_an_announcement_has_a_limit(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmtwin.trace.order.AHEAD_MAX", 10)
    assert refused(write(EXEC, brk(8), *[BRK] * 20, child(7, 8))).line == 2


# Compressed files.

Pack = Callable[[bytes], bytes]
PACKERS: list[tuple[str, Pack]] = [
    (".gz", gzip.compress),
    (".xz", lzma.compress),
    (".zst", zstandard.compress),
]


@pytest.fixture(params=PACKERS, ids=lambda p: p[0])
def packer(request: pytest.FixtureRequest) -> tuple[str, Pack]:
    found: tuple[str, Pack] = request.param
    return found


def plain(calls: int = 50) -> bytes:
    lines = [EXEC, *[BRK] * calls, GONE]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def test_compressed(tmp_path: Path, packer: tuple[str, Pack]) -> None:
    path = tmp_path / f"t.jsonl{packer[0]}"
    path.write_bytes(packer[1](plain()))
    assert len(read(path)) == 52


def test_compressed_by_its_first_bytes(tmp_path: Path, packer: tuple[str, Pack]) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(packer[1](plain()))
    assert len(read(path)) == 52


def test_streams_one_after_another(tmp_path: Path, packer: tuple[str, Pack]) -> None:
    """``cat a.xz b.xz`` is a file of that kind."""
    text = plain()
    path = tmp_path / f"t{packer[0]}"
    path.write_bytes(b"".join(packer[1](text[n : n + 100]) for n in range(0, len(text), 100)))
    assert len(read(path)) == 52


def test_every_truncation(tmp_path: Path, packer: tuple[str, Pack]) -> None:
    """A stream cut anywhere is an error, though all its text may have come out."""
    packed = packer[1](plain(5))
    path = tmp_path / f"t{packer[0]}"
    for size in range(len(packed)):
        path.write_bytes(packed[:size])
        refused(path)


def test_garbage_after_the_stream(tmp_path: Path, packer: tuple[str, Pack]) -> None:
    path = tmp_path / f"t{packer[0]}"
    for garbage in (b"x", b"garbage" * 100, plain()):
        path.write_bytes(packer[1](plain()) + garbage)
        assert "after the end" in refused(path).reason


def test_xz_padding(tmp_path: Path) -> None:
    path = tmp_path / "t.xz"
    path.write_bytes(lzma.compress(plain()) + b"\0" * 8)
    assert len(read(path)) == 52


def test_wrong_ending(tmp_path: Path, packer: tuple[str, Pack]) -> None:
    path = tmp_path / f"t{packer[0]}"
    path.write_bytes(plain())
    assert refused(path).line == 1


def test_bomb(tmp_path: Path, packer: tuple[str, Pack], monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes that unpack to a line of a quarter of a gigabyte are refused at the limit."""
    import tracemalloc

    monkeypatch.setattr("mmtwin.trace.streams.LINE_MAX", 4 << 20)
    path = tmp_path / f"t{packer[0]}"
    path.write_bytes(packer[1](b"x" * (64 << 20)))
    tracemalloc.start()
    try:
        assert "longer" in refused(path).reason
        assert tracemalloc.get_traced_memory()[1] < 60 << 20
    finally:
        tracemalloc.stop()


def test_unreadable_device() -> None:
    """An error of the file system is named, not raised."""
    assert refused(Path("/proc/self/mem")).line == 1


def test_fifo_closed_without_a_byte(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    if os.fork() == 0:
        os.close(os.open(path, os.O_WRONLY))
        os._exit(0)
    assert "empty" in refused(path).reason
    os.wait()
