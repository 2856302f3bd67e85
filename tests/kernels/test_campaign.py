"""Campaigns: kept in a file, gone on with, interrupted; runs as people and replays read them."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from mmtwin.kernels.abi import PAGE
from mmtwin.kernels.as_trace import PID, AsTrace
from mmtwin.kernels.calls import Call
from mmtwin.kernels.campaign import State, StateError, go_on, load, save
from mmtwin.kernels.compare import Disagreement
from mmtwin.kernels.diff import Differ, Made, Run
from mmtwin.kernels.host.facts import Facts
from mmtwin.kernels.host.wire import Answer, Kind
from mmtwin.kernels.options import Start
from mmtwin.kernels.strace import listing, show
from mmtwin.trace import records as r
from mmtwin.trace.wire import decode, encode


class Runs:
    """Stands for a comparison: forty calls a run, a disagreement where the seed is asked for."""

    def __init__(self, bad: set[int], interrupt: int | None = None) -> None:
        self.bad = bad
        self.interrupt = interrupt
        self.seeds: list[int] = []

    def run(self, seed: int) -> Run:
        if seed == self.interrupt:
            raise KeyboardInterrupt
        self.seeds.append(seed)
        call = Call(1, "munmap", (0, PAGE))
        found = Disagreement(39, call, "0x0", "0x1", "result") if seed in self.bad else None
        return Run(seed, Start(), [call] * 40, found=found)


def differ(runs: Runs) -> Differ:
    return cast(Differ, runs)


def fresh() -> State:
    return State("host", "6.18.1", 7)


def test_every_seed_once_until_the_calls_are_made() -> None:
    state, runs = fresh(), Runs({8})
    found, interrupted = go_on(differ(runs), state, 100, 5)
    assert (runs.seeds, interrupted) == ([7, 8, 9], False)
    assert [run.seed for run in found] == [8]
    assert (state.runs, state.calls, state.found) == (3, 120, [8])


def test_enough_disagreements_end_it() -> None:
    state = fresh()
    found, _ = go_on(differ(Runs({7, 8, 9})), state, 10_000, 2)
    assert [run.seed for run in found] == [7, 8]


def test_an_interrupted_campaign_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "state"
    state, seen = load(path, fresh()), []
    _, interrupted = go_on(
        differ(Runs(set(), interrupt=10)), state, 200, 1, lambda now: seen.append(now.calls)
    )
    assert interrupted
    assert seen == [40, 80, 120]
    save(path, state)
    again, runs = load(path, fresh()), Runs(set())
    assert (again.runs, again.calls) == (3, 120)
    go_on(differ(runs), again, 200, 1)
    assert runs.seeds == [10, 11]


def test_a_state_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    save(path, fresh())
    with pytest.raises(StateError, match="seed is 7, not 8"):
        load(path, State("host", "6.18.1", 8))
    path.write_text("{")
    with pytest.raises(StateError):
        load(path, fresh())


LISTED = [
    (
        Call(1, "mmap", (0, 3 * PAGE, 3, 0x22, 2**64 - 1, 0)),
        "mmap(NULL, 3*PAGE, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0x0)",
    ),
    (Call(1, "mmap", (0, 1, 0, 4 | 1 << 40, 3, 0)), "mmap(NULL, 1, PROT_NONE, 0x4|0x10000000000"),
    (Call(1, "mremap", (PAGE, 1, PAGE, 3, 0x5000)), "MREMAP_MAYMOVE|MREMAP_FIXED, 0x5000)"),
    (Call(1, "mremap", (PAGE, 1, PAGE, 1, 0x5000)), "1*PAGE, MREMAP_MAYMOVE)"),
    (Call(1, "madvise", (PAGE, PAGE, 4)), "MADV_DONTNEED)"),
    (Call(1, "madvise", (PAGE, PAGE, 99)), ", 99)"),
    (Call(1, "process_madvise", (PAGE, PAGE, 20, 1)), "MADV_COLD, 1)"),
    (Call(1, "mlockall", (5,)), "mlockall(MCL_CURRENT|MCL_ONFAULT)"),
    (Call(1, "msync", (0, 1, 6)), "MS_INVALIDATE|MS_SYNC)"),
    (Call(1, "shmat", (2, 0, 0o10000)), "shmat(segment 2, 0x0, SHM_RDONLY)"),
    (Call(1, "setrlimit", (9, 2**64 - 1, 8)), "setrlimit(RLIMIT_AS, RLIM_INFINITY, 8)"),
    (Call(1, "open", (2,), b"/x"), 'open("/x", O_RDWR)'),
    (Call(1, "memfd_create", (2,), b"m"), 'memfd_create("m", MFD_ALLOW_SEALING)'),
    (Call(1, "prctl", (1, 0, 0, PAGE), None), "PR_SET_VMA_ANON_NAME, 0x0, 1*PAGE, NULL)"),
    (Call(1, "touch", (PAGE, PAGE, 1)), "touch(0x1000, 1*PAGE, write)"),
    (Call(1, "remap_file_pages", (0, PAGE, 0, 2, 0)), "remap_file_pages(0x0, 1*PAGE, 0, 2, 0)"),
    (Call(1, "pkey_mprotect", (0, PAGE, 1, 2**64 - 1)), "PROT_READ, -1)"),
    (Call(1, "fork", (2,)), "fork(0x2)"),
]


@pytest.mark.parametrize(("call", "text"), LISTED)
def test_calls_as_strace_writes_them(call: Call, text: str) -> None:
    assert text in listing([call])[0]


def test_results_and_processes_are_shown() -> None:
    calls = [Call(1, "fork", (2,)), Call(2, "munmap", (0, 0)), Call(2, "exit")]
    lines = listing(calls, [77, -22])
    assert lines[0].endswith("= 77")
    assert lines[1].startswith("[2] munmap(")
    assert lines[1].endswith("= -1 EINVAL")
    assert lines[2] == "[2] exit()"
    run = Run(5, Start(), calls, found=Disagreement(1, calls[1], "0x0", "0x1", "result"))
    assert show(run).splitlines()[-3:] == [
        "  result after step 1:",
        "    twin   0x0",
        "    kernel 0x1",
    ]


FACTS = Facts(
    machine="x86_64",
    release=(6, 18, 1),
    thp="never",
    shmem_thp="never",
    overcommit_memory=0,
    max_map_count=65530,
    mmap_min_addr=65536,
    legacy_va_layout=False,
    total_ram_pages=1,
    total_swap_pages=0,
    admin_reserve_kbytes=8192,
    user_reserve_kbytes=131072,
    capabilities=(1 << 41) - 1,
    limits=dict.fromkeys((2, 3, 8, 9), (8 << 20, 8 << 20)),
    pkeys=False,
    soft_dirty=False,
    vsyscall=False,
    anon_vma_name=False,
    userfaultfd=True,
)
MAPS = "00400000-00402000 r-xp 00000000 fe:00 7                                  /agent\n"


def records(steps: list[tuple[Call, int]], start: Start | None = None) -> Iterator[r.Record]:
    made = Made(MAPS)
    for call, value in steps:
        made.calls.append(call)
        made.answers.append([Answer(value, call.slot, Kind.RESULT, 0, MAPS)])
    trace = AsTrace(start or Start(), FACTS, (PAGE, 2 * PAGE), 0x402000, "x86_64")
    for number, record in enumerate(trace.records(made), 1):
        record.line = number
        assert decode(encode(record), number) == record
        yield record


def test_a_run_as_a_trace() -> None:
    steps = [
        (Call(1, "capset", (1 << 20,)), 0),
        (Call(1, "memfd_create", (0,), b"m"), 0),
        (Call(1, "setrlimit", (8, 4096, 8192)), 0),
        (Call(1, "mmap", (0, PAGE, 3, 1, 0, 0)), 0x7000),
        (Call(1, "mincore", (0, PAGE)), 0),
        (Call(1, "touch", (0x7000, 8, 1)), 0),
        (Call(1, "fork", (2,)), 4711),
        (Call(2, "shmat", (1, 0, 0)), 0x9000),
        (Call(2, "prctl", (1, 0, 0x7000, PAGE), b"n"), 0),
        (Call(2, "exit"), 0),
    ]
    first, mapped, touched, child, attached, named, gone = records(steps, Start(stack_limit=5))
    assert isinstance(first, r.Exec)
    assert first.maps == MAPS
    assert first.ipc_lock is False
    assert first.limits is not None
    assert first.limits.stack == 5
    assert isinstance(mapped, r.Call)
    assert (mapped.file, mapped.open, mapped.ret) == ("/memfd:m (deleted)", 1, 0x7000)
    assert mapped.limits is not None
    assert mapped.limits.memlock == 4096
    assert isinstance(touched, r.Touch)
    assert isinstance(child, r.Child)
    assert child.child == PID + 1
    assert isinstance(attached, r.Call)
    assert (attached.pid, attached.size) == (PID + 1, 2 * PAGE)
    assert isinstance(named, r.Call)
    assert named.name == "n"
    assert isinstance(gone, r.Gone)
