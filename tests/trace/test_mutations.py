"""A thousand damaged traces: each is refused with one ``TraceError`` or is a whole trace still."""

import gzip
import json
import lzma
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import zstandard

from mmtwin.trace.errors import TraceError
from mmtwin.trace.reader import read_trace
from mmtwin.trace.records import Record

SEED_TRACE = Path(__file__).parent / "data" / "pipeline.jsonl.xz"
TEXT = lzma.decompress(SEED_TRACE.read_bytes())
SECONDS_MAX = 2.0
"""For one mutant; a whole one takes some milliseconds."""

HUGE: list[Any] = [
    -1,
    2**31,
    2**63,
    2**64,
    -(2**63) - 1,
    10**400,
    0.5,
    1e308,
    True,
    None,
    "",
    "1",
    "\0",
    "\ud800",
    "x" * 100_000,
    [],
    {},
    [[[[]]]],
    {"pid": {"pid": 1}},
]


def flip_bits(r: Random, text: bytes) -> bytes:
    out = bytearray(text)
    for _ in range(r.choice((1, 1, 1, 8, 100))):
        out[r.randrange(len(out))] ^= 1 << r.randrange(8)
    return bytes(out)


def truncate(r: Random, text: bytes) -> bytes:
    return text[: r.randrange(len(text))]


def cut_out(r: Random, text: bytes) -> bytes:
    start = r.randrange(len(text))
    return text[:start] + text[start + r.randrange(1, 2000) :]


def repeat(r: Random, text: bytes) -> bytes:
    start = r.randrange(len(text))
    end = start + r.randrange(1, 5000)
    return text[:end] + text[start:]


def insert(r: Random, text: bytes) -> bytes:
    place = r.randrange(len(text))
    strange = (b"\0", b"\xff\xfe", b"\n\n", b"[" * 50_000, b'{"a":' * 50_000, b"9" * 50_000, b"\r")
    return text[:place] + r.choice(strange) + text[place:]


def append_garbage(r: Random, text: bytes) -> bytes:
    return text + r.choice((r.randbytes(500), b"\0" * 4096, text, text[: len(text) // 2], b"{}\n"))


def overwrite(r: Random, text: bytes) -> bytes:
    start = r.randrange(len(text))
    size = r.randrange(1, 300)
    return text[:start] + r.choice((b"\0", b"\xff", b" ", b'"')) * size + text[start + size :]


def lines(r: Random, text: bytes) -> bytes:
    """Lines that change places, come twice, or are missing."""
    found = text.splitlines(keepends=True)
    for _ in range(r.choice((1, 3, 30))):
        a, b = r.randrange(len(found)), r.randrange(len(found))
        match r.randrange(4):
            case 0:
                found[a], found[b] = found[b], found[a]
            case 1:
                found.insert(a, found[b])
            case 2:
                del found[a]
            case 3:
                found[min(a, b) : max(a, b)] = reversed(found[min(a, b) : max(a, b)])
    return b"".join(found)


def values(r: Random, text: bytes) -> bytes:
    """A value of the wrong type or size, a key too many or missing."""
    found = text.splitlines()
    place = r.randrange(len(found))
    line = json.loads(found[place])
    key = r.choice(list(line))
    match r.randrange(4):
        case 0:
            del line[key]
        case 1 if isinstance(line[key], list):
            line[key][r.randrange(len(line[key]))] = r.choice(HUGE)
        case 2:
            line[r.choice(("args", "ret", "limits", "image", "host", "flags"))] = r.choice(HUGE)
        case _:
            line[key] = r.choice(HUGE)
    found[place] = json.dumps(line).encode()
    return b"\n".join(found) + b"\n"


def threads(r: Random, text: bytes) -> bytes:
    """Lines that claim to be another thread's."""
    found = text.splitlines()
    for _ in range(r.choice((1, 10))):
        place = r.randrange(len(found))
        line = json.loads(found[place])
        line["pid"] = r.choice((1, line["pid"] + 1, line["pid"] - 1, 2**31 - 1))
        found[place] = json.dumps(line).encode()
    return b"\n".join(found) + b"\n"


Mutation = Callable[[Random, bytes], bytes]
MUTATIONS: list[Mutation] = [
    flip_bits,
    truncate,
    cut_out,
    repeat,
    insert,
    append_garbage,
    overwrite,
    lines,
    values,
    threads,
]
PACKED: dict[str, bytes] = {
    ".gz": gzip.compress(TEXT, mtime=0),
    ".xz": SEED_TRACE.read_bytes(),
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress(TEXT),
}


def outcome(path: Path) -> list[Record] | TraceError:
    """The records, or the one error that is allowed; in bounded time."""
    start = time.monotonic()
    found: list[Record] | TraceError
    try:
        found = list(read_trace(path))
    except TraceError as error:
        found = error
    assert time.monotonic() - start < SECONDS_MAX
    if isinstance(found, TraceError):
        assert found.line >= 1
        assert str(found).startswith(f"{path}:{found.line}: ")
        assert "\n" not in str(found)
        assert len(found.reason) < 500
    return found


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda m: m.__name__)
def test_mutated_text(tmp_path: Path, mutate: Mutation) -> None:
    path = tmp_path / "t.jsonl"
    for seed in range(100):
        path.write_bytes(mutate(Random(seed), TEXT))
        outcome(path)


@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize("mutate", MUTATIONS[:7], ids=lambda m: m.__name__)
def test_mutated_container(tmp_path: Path, mutate: Mutation, ending: str) -> None:
    """The containers have check sums: what is read is what was written, or it is refused."""
    path = tmp_path / f"t.jsonl{ending}"
    path.write_bytes(PACKED[ending])
    whole = outcome(path)
    assert isinstance(whole, list)
    for seed in range(15):
        path.write_bytes(mutate(Random(seed), PACKED[ending]))
        found = outcome(path)
        # A file that holds the trace twice is read twice.
        assert isinstance(found, TraceError) or found[: len(whole)] == whole


@pytest.mark.parametrize("ending", PACKED)
def test_rubbish_with_the_right_head(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t.jsonl{ending}"
    for seed in range(10):
        path.write_bytes(PACKED[ending][:12] + Random(seed).randbytes(5000))
        assert isinstance(outcome(path), TraceError)


def test_the_seed_trace_is_whole() -> None:
    assert isinstance(outcome(SEED_TRACE), list)
