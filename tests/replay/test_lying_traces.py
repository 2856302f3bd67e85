"""Traces whose records were changed: a replay ends in a finding or in one error, never in ok."""

import gzip
import json
import lzma
from pathlib import Path
from random import Random
from typing import Any

import pytest

from mmtwin.check.run import Run
from mmtwin.machine.profile import profile
from mmtwin.trace.errors import TraceError
from mmtwin.trace.reader import read_trace
from modes import COMPILED, sample

DATA = Path(__file__).parent.parent / "data"
LIES = 1000 if COMPILED else 24


def records() -> list[dict[str, Any]]:
    text = lzma.decompress((DATA / "sort-big.jsonl.xz").read_bytes()).decode()
    return [json.loads(line) for line in text.splitlines()]


def outcome(lines: list[dict[str, Any]], path: Path) -> str:
    path.write_bytes(gzip.compress("".join(json.dumps(x) + "\n" for x in lines).encode(), 1))
    try:
        result = Run(lambda: read_trace(path), profile("6.18")).run()
    except TraceError:
        return "error"
    return "ok" if result.ok else "found"


def lie_about_result(r: Random, record: dict[str, Any]) -> bool:
    if record["call"] not in ("mmap", "munmap", "mprotect", "brk"):
        return False
    record["ret"] = r.choice(
        (record["ret"] + 4096, record["ret"] - 4096, record["ret"] ^ 1 << r.randrange(12, 46), -12)
    )
    return True


def lie_about_a_border(r: Random, record: dict[str, Any]) -> bool:
    lines = record.get("maps", "").splitlines(keepends=True)
    if record["call"] == "exec" or not lines:
        return False
    nth = r.randrange(len(lines) - 1)
    start, rest = lines[nth].split("-", 1)
    lines[nth] = f"{int(start, 16) + 4096:x}-{rest}"
    record["maps"] = "".join(lines)
    return True


def lie_about_protection(r: Random, record: dict[str, Any]) -> bool:
    lines = record.get("maps", "").splitlines(keepends=True)
    if record["call"] == "exec" or not lines:
        return False
    nth = r.randrange(len(lines) - 1)
    ends, perms, rest = lines[nth].split(" ", 2)
    place = r.randrange(3)
    other = "-" if perms[place] != "-" else "rwx"[place]
    lines[nth] = f"{ends} {perms[:place]}{other}{perms[place + 1 :]} {rest}"
    record["maps"] = "".join(lines)
    return True


def leave_a_line_out(r: Random, record: dict[str, Any]) -> bool:
    lines = record.get("maps", "").splitlines(keepends=True)
    if record["call"] == "exec" or not lines:
        return False
    del lines[r.randrange(len(lines) - 1)]
    record["maps"] = "".join(lines)
    return True


@pytest.mark.parametrize(
    "lie", [lie_about_result, lie_about_a_border, lie_about_protection, leave_a_line_out]
)
def test_no_lie_passes_for_the_truth(lie: Any, tmp_path: Path) -> None:
    whole = records()
    believed = []
    r = Random(7)
    for _ in range(LIES // 4):
        lines = [dict(record) for record in whole]
        nth = r.randrange(len(lines))
        while not lie(r, lines[nth]):
            nth = r.randrange(len(lines))
        if outcome(lines, tmp_path / "t.jsonl.gz") == "ok":
            believed.append((nth + 1, lines[nth]))
    assert not believed


def test_a_call_left_out_is_missed(tmp_path: Path) -> None:
    whole = records()
    changing = [
        n
        for n, x in enumerate(whole)
        if n > 0 and x.get("maps") and x["call"] in ("mprotect", "munmap")
    ]
    for nth in sample(changing, 8):
        assert outcome(whole[:nth] + whole[nth + 1 :], tmp_path / "t.jsonl.gz") == "found"
