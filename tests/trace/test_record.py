"""Recording real programs."""

import ctypes
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import mmtwin.trace.record
import mmtwin.trace.tracer
from mmtwin.check.run import Run as CheckedRun
from mmtwin.machine.profile import profile
from mmtwin.trace import calls, proc, ptrace, touches
from mmtwin.trace.errors import RecordError
from mmtwin.trace.maps import parse_maps
from mmtwin.trace.reader import read_trace
from mmtwin.trace.record import Recording, record
from mmtwin.trace.records import Call, Child, Exec, Gone, Record, Touch

PYTHON = sys.executable
Run = Callable[..., tuple[Recording, list[Record]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Records a command, or a Python program given as one string."""

    def run(
        command: str | Sequence[str], *, maps: bool = False, touch: bool = False
    ) -> tuple[Recording, list[Record]]:
        if isinstance(command, str):
            command = [PYTHON, "-I", "-S", "-c", textwrap.dedent(command)]
        out = tmp_path / "trace.jsonl"
        made = record(command, out, maps=maps, touch=touch)
        return made, list(read_trace(out))

    return run


def of_kind(records: list[Record], *names: str) -> list[Call]:
    return [r for r in records if isinstance(r, Call) and r.name_of_call in names]


def test_a_plain_program(run: Run) -> None:
    """The first record is the image with all that is known of it, the last one its end."""
    made, records = run(["/bin/true"], maps=True)

    first, *middle, last = records
    assert isinstance(first, Exec)
    assert first.exe == os.path.realpath("/bin/true")
    assert first.host is not None
    assert first.host.kernel == os.uname().release
    assert first.image is not None
    assert first.limits is not None
    assert isinstance(last, Gone)
    assert all(isinstance(r, Call) and r.maps is not None for r in middle)
    assert (made.status, made.interrupted, made.foreign) == (0, False, 0)
    assert (made.lines, made.calls) == (len(records), len(middle))


def test_mapped_files_have_path_and_description(run: Run) -> None:
    """Segments of a library come through one description, two opens of a file through two."""
    _, records = run(
        """
        import mmap, os
        a = open("/etc/passwd", "rb")
        b = os.dup(a.fileno())
        held = [mmap.mmap(fd, 0, prot=1) for fd in (a.fileno(), b)]
        a.close()
        c = open("/etc/passwd", "rb")
        held.append(mmap.mmap(c.fileno(), 0, prot=1))
        """
    )
    opens = [c.open for c in of_kind(records, "mmap") if c.file == "/etc/passwd"]
    assert len(opens) == 3
    assert opens[0] == opens[1] != opens[2]
    libc = {c.open for c in of_kind(records, "mmap") if c.file and "libc.so" in c.file}
    assert len(libc) == 1


def test_children_of_every_kind(run: Run) -> None:
    _, records = run(
        """
        import os, threading
        if os.fork() == 0:
            os._exit(0)
        os.wait()
        os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
        thread = threading.Thread(target=len, args=("",))
        thread.start()
        thread.join()
        """
    )
    children = [r for r in records if isinstance(r, Child)]
    assert [c.how for c in children] == ["fork", "vfork", "clone"]
    assert [bool((c.flags or 0) & 0x100) for c in children] == [False, True, True]
    assert sum(isinstance(r, Gone) for r in records) == 4
    assert sum(isinstance(r, Exec) for r in records) == 2
    for child, call in zip(
        children, of_kind(records, "fork", "vfork", "clone", "clone3"), strict=True
    ):
        assert (call.ret, call.flags) == (child.child, child.flags)


def test_a_thread_that_execs_becomes_its_leader(run: Run) -> None:
    _, records = run(
        """
        import os, threading, time
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        threading.Thread(target=os.execv, args=("/bin/true", ["true"])).start()
        time.sleep(60)
        """
    )
    first, second = (r for r in records if isinstance(r, Exec))
    children = [r.child for r in records if isinstance(r, Child)]
    assert second.pid == first.pid
    assert second.former == children[1]
    assert [r.pid for r in records if isinstance(r, Gone)] == [children[0], first.pid]


def test_signals_and_stops_go_through(run: Run) -> None:
    """The program sees its signals; a stopped one stays stopped until it is continued."""
    made, _ = run(
        """
        import os, signal
        seen = []
        signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
        os.kill(os.getpid(), signal.SIGUSR1)
        child = os.fork()
        if child == 0:
            signal.pause()
        os.kill(child, signal.SIGSTOP)
        assert os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1])
        os.kill(child, signal.SIGCONT)
        assert os.WIFCONTINUED(os.waitpid(child, os.WCONTINUED)[1])
        os.kill(child, signal.SIGTERM)
        assert os.waitpid(child, 0)[1] == signal.SIGTERM
        assert seen == [1]
        """
    )
    assert made.status == 0


def test_a_crash_is_reported(run: Run) -> None:
    made, records = run("import os; os.kill(os.getpid(), 11)")
    assert made.status == 128 + 11
    assert isinstance(records[-1], Gone)


def test_exit_status(run: Run) -> None:
    made, _ = run("raise SystemExit(7)")
    assert made.status == 7


def test_paths_that_change_under_mapped_files(run: Run, tmp_path: Path) -> None:
    """An unlinked, a renamed and a replaced file, by the process itself or another, are told
    before the next call's maps show it; a replay then has nothing to take from the maps."""
    _, records = run(
        f"""
        import mmap, os
        os.chdir({str(tmp_path)!r})
        held = []
        def map_one(name):
            with open(name, "wb") as file:
                file.truncate(8192)
            with open(name, "rb") as file:
                held.append(mmap.mmap(file.fileno(), 0, prot=1))
        for name in ("unlinked", "renamed", "replaced", "by-child"):
            map_one(name)
        os.mkdir("deep")
        map_one("deep/file")
        os.unlink("unlinked")
        map_one("then")
        os.rename("renamed", "other")
        map_one("replacement")
        os.rename("replacement", "replaced")
        child = os.fork()
        if child == 0:
            os.rename("deep", "deeper")
            os.unlink("by-child")
            os._exit(0)
        os.waitpid(child, 0)
        map_one("unlinked")
        """,
        maps=True,
        touch=True,
    )
    told: dict[str, str] = {}
    for call in records:
        if isinstance(call, Call) and call.renamed:
            told |= call.renamed
    assert {
        os.path.relpath(old, tmp_path): os.path.relpath(new, tmp_path) for old, new in told.items()
    } == {
        "unlinked": "unlinked (deleted)",
        "renamed": "other",
        "replaced": "replaced (deleted)",
        "replacement": "replaced",
        "deep/file": "deeper/file",
        "by-child": "by-child (deleted)",
    }
    result = CheckedRun(lambda: iter(records), profile("6.18")).run()
    assert (result.counts.settled, result.counts.disagreed) == (0, 0)


def test_limits_when_they_change(run: Run) -> None:
    _, records = run(
        """
        import mmap, resource
        soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
        resource.setrlimit(resource.RLIMIT_STACK, (4 << 20, hard))
        mmap.mmap(-1, 12 << 20)
        """
    )
    told = [r.limits for r in records if isinstance(r, Call) and r.limits]
    assert [limits.stack for limits in told] == [4 << 20]


def test_names_of_anonymous_memory(run: Run) -> None:
    """The name is text, whether the kernel takes it or not."""
    _, records = run(
        """
        import ctypes, mmap
        memory = mmap.mmap(-1, 8192, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        prctl = ctypes.CDLL(None).prctl
        for name in (b"a name", None):
            prctl(0x53564D41, 0, ctypes.c_ulong(start), ctypes.c_ulong(8192), name)
        prctl(15, b"not of memory")
        """
    )
    assert [c.name for c in of_kind(records, "prctl")] == ["a name", ""]


def test_segments(run: Run) -> None:
    _, records = run(
        """
        import ctypes
        libc = ctypes.CDLL(None)
        libc.shmat.restype = ctypes.c_void_p
        segment = libc.shmget(0, 12345, 0o1600)
        place = libc.shmat(segment, None, 0)
        libc.shmctl(segment, 0, None)
        libc.shmdt(ctypes.c_void_p(place))
        """
    )
    attach, detach = of_kind(records, "shmat", "shmdt")
    assert (attach.size, attach.key) == (12345, 0)
    assert attach.ret == detach.args[0]


def test_threads_take_turns(run: Run) -> None:
    """With many threads at work, each maps text differs from the one before by its call alone."""
    check_turns(run)


def test_threads_take_turns_on_a_slow_machine(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time that a recorder spends elsewhere ends nobody's turn."""
    seconds = itertools.count()
    for module in (mmtwin.trace.record, mmtwin.trace.tracer):
        monkeypatch.setattr(module, "monotonic", lambda: float(next(seconds)))
    check_turns(run)


def check_turns(run: Run) -> None:
    _, records = run(
        """
        import mmap, threading
        def work():
            for n in range(60):
                mmap.mmap(-1, 4096 * (n % 7 + 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        """,
        maps=True,
    )
    before = 0
    checked = 0
    for r in records:
        if not isinstance(r, Call | Exec) or not r.maps:
            continue
        mappings = [m for m in parse_maps(r.maps) if m.name != "[stack]"]
        size = sum(m.end - m.start for m in mappings)
        if isinstance(r, Call) and r.op in (calls.MMAP, calls.MUNMAP) and not r.args[3] & 0x10:
            sign = 1 if r.op == calls.MMAP else -1
            assert size - before == sign * (r.args[1] + 4095 & ~4095)
            checked += 1
        before = size
    assert checked > 300


SCANS = pytest.mark.skipif(not touches.available(), reason="needs PAGEMAP_SCAN (Linux 6.7)")


@SCANS
def test_touches_show_what_was_written(run: Run) -> None:
    """The page that was written to, not the one that was read."""
    _, records = run(
        """
        import mmap
        # Executable, so that no neighbour of the interpreter's merges with it.
        memory = mmap.mmap(-1, 5 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=7)
        memory[1 << 20]
        mmap.mmap(-1, 3 << 20)
        memory[3 << 20] = 1
        mmap.mmap(-1, 3 << 20)
        """,
        touch=True,
    )
    start = next(c.ret for c in of_kind(records, "mmap") if c.args[1] == 5 << 20)
    assert start is not None
    touched = [r for r in records if isinstance(r, Touch) and start <= r.addr < start + (5 << 20)]
    assert [(r.addr - start, r.write) for r in touched] == [(3 << 20, True)]
    second = [c.line for c in of_kind(records, "mmap") if c.args[1] == 3 << 20][1]
    assert touched[0].line < second


@SCANS
def test_stack_growth_is_a_touch(run: Run) -> None:
    _, records = run(
        """
        import mmap
        def deep(n): return sorted([n], key=lambda _: deep(n - 1) if n else 0)
        deep(450)
        mmap.mmap(-1, 5 << 20)
        """,
        touch=True,
    )
    first = records[0]
    assert isinstance(first, Exec)
    stack = next(m for m in parse_maps(first.maps) if m.name == "[stack]")
    lowest = min(r.addr for r in records if isinstance(r, Touch) and r.addr > stack.end - (8 << 20))
    assert lowest < stack.start


@pytest.mark.parametrize("ending", [".gz", ".xz", ".zst"])
def test_compressed(tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"t.jsonl{ending}"
    made = record(["/bin/true"], out)
    assert len(list(read_trace(out))) == made.lines


def test_fixed_addresses(tmp_path: Path) -> None:
    """Without randomisation two runs of one program give the same trace."""
    texts = []
    for n in range(2):
        out = tmp_path / f"{n}.jsonl"
        record(["/bin/true"], out, maps=True, fixed_addresses=True)
        first, *rest = read_trace(out)
        assert isinstance(first, Exec)
        assert first.personality == 0x0040000
        texts.append([r.maps for r in rest if isinstance(r, Call)])
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("command", "reason"),
    [(["no-such-program"], "no such program"), (["/etc"], "no such program")],
)
def test_what_cannot_be_run(tmp_path: Path, command: list[str], reason: str) -> None:
    """Nothing is written over."""
    out = tmp_path / "t.jsonl"
    out.write_text("kept")
    with pytest.raises(RecordError, match=reason):
        record(command, out)
    assert out.read_text() == "kept"


def test_what_is_not_a_program(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(b"\x7fELF nothing more")
    bad.chmod(0o755)
    with pytest.raises(RecordError, match="Exec format error"):
        record([str(bad)], tmp_path / "t.jsonl")


def test_refused_ptrace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(tid: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(ptrace, "seize", refuse)
    with pytest.raises(RecordError, match="not permitted"):
        record(["/bin/true"], tmp_path / "t.jsonl")


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        record(["/bin/true"], tmp_path / "none" / "t.jsonl")


RECORDER = """
import sys
from mmtwin.trace.record import record
made = record([sys.executable, "-I", "-S", "-c", sys.argv[2]], sys.argv[1])
print(made.status, made.interrupted)
"""


def recorder(out: Path, program: str) -> subprocess.Popen[str]:
    """A recorder of its own process, once the program it records is at work."""
    command = [PYTHON, "-c", RECORDER, str(out), program]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    while not (out.exists() and out.read_bytes().count(b"\n") > 100):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


ENDLESS = "import mmap\nwhile True: mmap.mmap(-1, 4096)"


@pytest.mark.parametrize(
    ("program", "status"),
    [
        (ENDLESS, 128 + signal.SIGTERM),
        ("import signal\nsignal.signal(15, signal.SIG_IGN)\n" + ENDLESS, 128 + signal.SIGKILL),
    ],
)
def test_interrupted(tmp_path: Path, program: str, status: int) -> None:
    """What was recorded is kept, whether the program ends by itself or has to be killed."""
    out = tmp_path / "t.jsonl"
    process = recorder(out, program)
    process.terminate()
    assert process.communicate(timeout=20)[0] == f"{status} True\n"
    assert isinstance(list(read_trace(out))[-1], Gone)


def test_recorder_killed(tmp_path: Path) -> None:
    """The program dies with its recorder, and every line written is whole."""
    out = tmp_path / "t.jsonl"
    process = recorder(out, ENDLESS)
    process.kill()
    process.wait()
    first, *rest = read_trace(out)
    assert len(rest) >= 100
    deadline = time.monotonic() + 20
    while Path(f"/proc/{first.pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are octal escapes, in paths as in maps."""
    name = os.fsencode(tmp_path) + b"/caf\xe9"
    with open(name, "wb") as file:
        file.write(b"x" * 4096)
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    with open(name, "rb") as file:
        place = libc.mmap(None, 4096, 1, 2, file.fileno(), 0)
        assert proc.path_of(os.getpid(), file.fileno()) == f"{tmp_path}/caf\\351"
    assert any(m.name.endswith("/caf\\351") for m in parse_maps(proc.maps(os.getpid())))
    libc.munmap(ctypes.c_void_p(place), 4096)
