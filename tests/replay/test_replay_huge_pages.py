"""A recorded program with huge pages, on a twin with a pool of them and on one without."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from against_traces import ANON, FIXED, IMAGE, RW, Trace, trace_file

from mmtwin.check.run import Check, Run
from mmtwin.machine.profile import profile
from mmtwin.space import flags as c
from mmtwin.trace import calls
from mmtwin.trace.reader import read_trace
from mmtwin.trace.records import Call, Touch

DATA = Path(__file__).parent.parent / "data"
AT = 0x20000000
HUGE = 1 << 21
SEGMENT = 5
IMAGE_LINES = IMAGE.splitlines(keepends=True)


def program() -> Trace:
    """Two private pages, written, shared with a child and unmapped; a segment of two."""
    trace = Trace()
    trace.mmap(AT, 2 * HUGE, RW, ANON | FIXED | c.MAP_HUGETLB, ret=AT)
    trace.records.append(
        Touch(line=len(trace.records) + 1, pid=7, addr=AT, len=HUGE + 1, write=True)
    )
    trace.fork(8)
    trace.unmap(AT, 2 * HUGE)
    line = f"{AT:08x}-{AT + 2 * HUGE:08x} rw-s 00000000 00:11 {SEGMENT}"
    maps = [*IMAGE_LINES[:2], f"{line:<73}/SYSV00000000 (deleted)\n", *IMAGE_LINES[2:]]
    args = (SEGMENT, AT, 0, 0, 0, 0)
    trace.records.append(
        Call(
            line=len(trace.records) + 1,
            pid=7,
            op=calls.SHMAT,
            args=args,
            ret=AT,
            maps="".join(maps),
            size=HUGE + 1,
            key=0,
        )
    )
    trace.records.append(Touch(line=len(trace.records) + 1, pid=7, addr=AT, len=1, write=True))
    return trace


@pytest.mark.parametrize("check", [Check.TOUCHED, Check.BISECT])
@pytest.mark.parametrize("kernel", ["6.1", "6.18"])
def test_a_pool_serves_a_program(
    kernel: str, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = program()
    run = Run(lambda: trace.records, profile(kernel), check=check, hugepages=4)
    twin = run.twin(keep_journal=check is Check.BISECT)
    monkeypatch.setattr(run, "twin", lambda **_: twin)
    result = run.run()
    assert result.ok, result.findings[0].message
    huge = twin.space.huge
    counts = [huge.count(name) for name in ("nr", "free", "surplus")]
    assert counts == [4, 1, 0]  # two are the child's, one the segment's


def test_a_recorded_program_agrees_with_a_pool_as_large_as_it_had() -> None:
    """A C program on a 6.18.44 with six huge pages: private, shared, a segment, a child that
    writes, MADV_DONTNEED, nine pages in vain."""
    records = list(read_trace(str(DATA / "huge-pages.jsonl.gz")))
    for pages, step in ((6, None), (5, None), (4, 17), (14, 22)):
        result = Run(lambda: records, profile("6.18"), hugepages=pages).run()
        found = result.findings[0].step if result.findings else None
        assert found == step, pages


@pytest.mark.one_mode
def test_without_a_pool_the_first_mapping_disagrees(tmp_path: Path) -> None:
    trace = program()
    result = Run(lambda: trace.records, profile("6.1")).run()
    assert [finding.step for finding in result.findings] == [2]
    assert "ENOMEM" in result.findings[0].message
    del trace.records[2:]
    path = str(trace_file(tmp_path, trace))
    for pages, code in (("1", 1), ("2", 0), ("-1", 2)):
        command = [sys.executable, "-m", "mmtwin", "replay", path, "--quiet", "--hugepages", pages]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, capture_output=True, env=environment, check=False)
        assert done.returncode == code, (pages, done.stderr)
