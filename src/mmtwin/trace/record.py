"""``mmtwin record``: run a program and write its memory calls to a trace.

Needs nothing but Python and the permission to ptrace one's own children, on Linux for x86-64.
"""

from __future__ import annotations

import errno
import os
import platform
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Final, NoReturn, TypeAlias

import msgspec

from mmtwin.trace import ptrace, touches
from mmtwin.trace.errors import RecordError
from mmtwin.trace.tracer import PATIENCE_SECONDS, Tracer
from mmtwin.trace.writer import TraceWriter

GRACE_SECONDS: Final = 1.0
"""How long an interrupted program may take to end by itself."""
INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM)
Signals: TypeAlias = set[int | signal.Signals]
HEARD: Final = (signal.SIGCHLD, *INTERRUPTS)


class Recording(msgspec.Struct):
    """What was recorded."""

    lines: int
    calls: int
    status: int
    """The program's exit status; 128 + N if signal N ended it."""
    interrupted: bool
    """SIGINT or SIGTERM came; what was done until then is in the trace."""
    foreign: int
    """Threads whose calls were not recorded: they are not those of an x86-64 program, or its memory
    may not be looked at."""


def record(
    command: Sequence[str],
    out: str | Path,
    *,
    maps: bool = False,
    touch: bool = False,
    fixed_addresses: bool = False,
) -> Recording:
    """Run ``command`` with its threads and children to the end and write the trace ``out``.

    ``maps`` adds the text of /proc/PID/maps to each call, ``touch`` lines that say which
    mappings were written to, ``fixed_addresses`` turns address randomisation off. The program
    has the caller's terminal, environment and folder. To be called from the main thread of a
    process without other children: it waits for every child there is.

    Raises ``RecordError`` if the program cannot be started or traced, ``OSError`` if the trace
    cannot be written.
    """
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise RecordError("recording needs Linux on x86-64")
    if touch and not touches.available():
        raise RecordError("touches need a kernel with PAGEMAP_SCAN (Linux 6.7)")
    if shutil.which(command[0]) is None:
        raise RecordError(f"{command[0]}: no such program")
    with TraceWriter(out) as writer:
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
        try:
            root, failure = _start(command, mask, fixed_addresses)
            tracer = Tracer(root, writer.write, maps=maps, touch=touch)
            interrupted = _follow(tracer, root)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _check_started(tracer, failure, command)
    code = os.waitstatus_to_exitcode(tracer.status or 0)
    return Recording(
        lines=writer.lines,
        calls=tracer.calls,
        status=code if code >= 0 else 128 - code,
        interrupted=interrupted,
        foreign=len(tracer.foreign),
    )


def _start(command: Sequence[str], mask: Signals, fixed_addresses: bool) -> tuple[int, int]:
    """Fork, become the child's tracer, and let it become the command.

    Gives the child's id and the descriptor from which to read why it could not.
    """
    go_read, go_write = os.pipe2(os.O_CLOEXEC)
    failure_read, failure_write = os.pipe2(os.O_CLOEXEC)
    root = os.fork()
    if root == 0:
        _become(command, mask, fixed_addresses, go_read, failure_write)
    os.close(go_read)
    os.close(failure_write)
    try:
        ptrace.seize(root)
        os.write(go_write, b"g")
    except OSError as error:
        os.kill(root, signal.SIGKILL)
        os.waitpid(root, 0)
        os.close(failure_read)
        raise RecordError(f"ptrace is not permitted here: {error.strerror}") from error
    finally:
        os.close(go_write)
    return root, failure_read


def _become(
    command: Sequence[str],
    mask: Signals,
    fixed_addresses: bool,
    go: int,
    failure: int,
) -> NoReturn:
    """In the child: wait to be traced, then exec. Never returns."""
    try:
        os.read(go, 1)
        for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(ignored_by_python, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if fixed_addresses:
            ptrace.fix_addresses()
        os.execvp(command[0], list(command))
    except OSError as error:
        os.write(failure, str(error.errno or errno.EINVAL).encode())
    except ValueError:
        os.write(failure, str(errno.EINVAL).encode())
    finally:
        os._exit(127)


def _check_started(tracer: Tracer, failure: int, command: Sequence[str]) -> None:
    """Raise if the command was never reached."""
    text = os.read(failure, 16)
    os.close(failure)
    if not tracer.started:
        reason = os.strerror(int(text)) if text else "ended before it started"
        raise RecordError(f"{command[0]}: {reason}")
    if not tracer.recorded:
        raise RecordError(f"{command[0]}: its memory may not be looked at")


def _follow(tracer: Tracer, root: int) -> bool:
    """Handle every stop until all threads have ended; whether an interrupt came."""
    deadline: float | None = None
    patience = monotonic() + PATIENCE_SECONDS
    try:
        while True:
            try:
                tid, status = os.waitpid(-1, os.WNOHANG | ptrace.WALL)
            except ChildProcessError:
                return deadline is not None
            if tid:
                if os.WIFSTOPPED(status):
                    tracer.stopped(tid, status)
                else:
                    tracer.ended(tid, status)
            else:
                heard = signal.sigtimedwait(HEARD, PATIENCE_SECONDS)
                if heard is not None and heard.si_signo in INTERRUPTS:
                    if heard.si_code <= 0:
                        # Sent to this process alone; a terminal sends it to the program too.
                        _send(root, signal.Signals(heard.si_signo))
                    deadline = monotonic() + (GRACE_SECONDS if deadline is None else 0)
            now = monotonic()
            if now > patience:
                patience = now + PATIENCE_SECONDS
                tracer.let_waiting_run()
                if deadline is not None and now > deadline:
                    for tid in tracer.tids():
                        _send(tid, signal.SIGKILL)
    except BaseException:
        for tid in tracer.tids():
            _send(tid, signal.SIGKILL)
        raise


def _send(tid: int, number: signal.Signals) -> None:
    """Signal a process that may have ended."""
    with suppress(ProcessLookupError):
        os.kill(tid, number)
