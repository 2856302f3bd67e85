"""What a recorder of several threads writes: ends of calls, in another order than the kernel's.

The records are made by a twin that carries the calls out in one order and writes them down in
another, as a tracer does that stops each thread at the end of its call.
"""

from random import Random

import pytest

from mmtwin.check.run import Run
from mmtwin.machine.profile import PROFILES
from mmtwin.replay.feed import Feed
from mmtwin.replay.processes import Processes
from mmtwin.replay.settle import TORN, read_while_changing
from mmtwin.trace.calls import MADVISE, MMAP, MPROTECT, MUNMAP
from mmtwin.trace.generate import PID, workload
from mmtwin.trace.records import Call, Child, Record
from mmtwin.twin import Twin

PAGE = 4096
THREADS = 5
PENDING_MOST = 2
"""Calls that have ended and are not written down yet."""
CLONE_THREAD = 0x10F00
SHARED, PRIVATE, ANONYMOUS, NORESERVE = 1, 2, 0x20, 0x4000
LIBRARY = "/usr/lib/library.so"


class Recorder:
    """A program of several threads on a twin, and what a tracer writes of it."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.twin = Twin(PROFILES["6.18"])
        self.processes = Processes(self.twin, Feed([]))
        self.pending: dict[int, Call] = {}
        self.records: list[Record] = []
        self.areas: dict[int, list[tuple[int, int]]] = {PID + n: [] for n in range(THREADS)}
        self.write(next(workload("jit", 0)), carry_out=True)
        for thread in range(1, THREADS):
            self.write(Child(0, PID, PID + thread, "clone", flags=CLONE_THREAD), carry_out=True)

    def write(self, record: Record, *, carry_out: bool = False) -> None:
        record.line = len(self.records) + 1
        if carry_out:
            self.processes.carry_out(record)
        self.records.append(record)

    def enter(self, pid: int) -> None:
        """The kernel carries a call of this thread out; the tracer has not seen its end yet."""
        kinds = [MMAP, MMAP, MUNMAP, MPROTECT, MADVISE] if self.areas[pid] else [MMAP]
        op = self.random.choice(kinds)
        file = None
        if op == MMAP:
            pages = self.random.randrange(1, 6)
            how = self.random.choice(
                [PRIVATE | ANONYMOUS, PRIVATE | ANONYMOUS | NORESERVE, PRIVATE]
            )
            file = None if how & ANONYMOUS else LIBRARY
            args = (0, pages * PAGE, self.random.choice([0, 1, 3]), how, 5, 0)
        else:
            start, pages = self.areas[pid].pop()
            length = PAGE * self.random.randrange(1, pages + 1)
            last = {MUNMAP: 0, MPROTECT: self.random.choice([0, 1, 3]), MADVISE: 10}[op]
            args = (start, length if op != MUNMAP else PAGE * pages, last, 0, 0, 0)
        call = Call(0, pid, op, args, file=file)
        call.ret = self.processes.carry_out(call)
        assert call.ret is not None
        if op == MMAP:
            self.areas[pid].append((call.ret, args[1] // PAGE))
        elif op != MUNMAP:
            self.areas[pid].append((start, pages))
        self.pending[pid] = call

    def leave(self, pid: int) -> None:
        """The tracer sees the end of the call and reads the maps; the thread uses its memory."""
        call = self.pending.pop(pid)
        call.maps = self.processes.maps(pid)
        self.write(call)
        self.processes.assume_written(call)

    def record(self, calls: int) -> list[Record]:
        for _ in range(calls):
            pid = PID + self.random.randrange(THREADS)
            if pid in self.pending:
                self.leave(pid)
            elif len(self.pending) < PENDING_MOST:
                self.enter(pid)
        for pid in list(self.pending):
            self.leave(pid)
        return self.records


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_ends_is_understood(seed: int) -> None:
    records = Recorder(seed).record(160)
    result = Run(lambda: iter(records), PROFILES["6.18"]).run()
    assert result.findings == []
    assert result.counts.disagreed == 0
    assert result.counts.reordered > 0
    assert result.counts.settled <= 0.05 * result.counts.calls


def test_a_lie_is_not_taken_for_another_order() -> None:
    records = Recorder(1).record(60)
    last = records[-1]
    assert isinstance(last, Call)
    assert last.maps
    last.maps = last.maps.replace("r--p", "rwxp", 1)
    result = Run(lambda: iter(records), PROFILES["6.18"]).run()
    assert result.counts.disagreed == 1


BEFORE = "1000-2000 rw-p \n3000-5000 r--p \n5000-9000 ---p \n"
AFTER = "1000-2000 rw-p \n3000-6000 r--p \n6000-9000 ---p \n"


@pytest.mark.parametrize(
    ("text", "possible"),
    [
        ("1000-2000 rw-p \n3000-5000 r--p \n3000-6000 r--p \n6000-9000 ---p \n", True),
        ("1000-2000 rw-p \n3000-6000 r--p \n6000-9000 ---p \n", True),
        ("1000-2000 rw-p \n3000-5000 r--p \n6000-9000 ---p \n", False),
        ("1000-2000 rw-p \n3000-6000 r--p \n5000-9000 ---p \n", False),
        ("1000-2000 rw-p \n", False),
        ("", False),
    ],
)
def test_maps_read_while_they_change(text: str, possible: bool) -> None:
    assert read_while_changing(text, BEFORE, AFTER) is possible


def test_a_change_while_the_maps_were_read_is_settled_and_told() -> None:
    recorder = Recorder(3)
    twin, processes = recorder.twin, recorder.processes
    for op, args in [(MMAP, (0, 8 * PAGE, 3, 0x22, 0, 0)), (MMAP, (0, 8 * PAGE, 1, 0x22, 0, 0))]:
        call = Call(0, PID, op, args)
        call.ret = processes.carry_out(call)
        call.maps = processes.maps(PID)
        recorder.write(call)
        start = call.ret
    assert start is not None
    first = Call(0, PID, MPROTECT, (start, PAGE, 0, 0, 0, 0), ret=0)
    other = Call(0, PID + 1, MPROTECT, (start + PAGE, PAGE, 0, 0, 0, 0), ret=0)
    processes.carry_out(first)
    before = processes.maps(PID)
    processes.carry_out(other)
    after = processes.maps(PID)
    head = [line for line in before.splitlines() if int(line.split("-")[0], 16) <= start]
    end = int(head[-1].split("-")[1].split()[0], 16)
    tail = [line for line in after.splitlines() if int(line.split("-")[1].split()[0], 16) > end]
    first.maps = "".join(line + "\n" for line in head + tail)
    assert first.maps not in (before, after)
    other.maps = after
    recorder.write(first)
    recorder.write(other)
    result = Run(lambda: iter(recorder.records), twin.profile).run()
    assert result.ok
    assert result.counts.reasons == {TORN: 1}
