"""Following a program and all its threads through their memory calls.

``Tracer`` is fed the stops that waitpid(2) reports and writes records. Each memory call of an
address space is let through alone: a thread that enters one while another thread of the same
space is inside waits, stopped, so that the order of records is the order in which the kernel
did the work and no maps text shows half of another call.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from signal import SIGTRAP
from time import monotonic
from typing import Final

from mmtwin.trace import proc, ptrace
from mmtwin.trace.calls import (
    BRK,
    CLONE,
    CLONE3,
    FORK,
    IO_DESTROY,
    IO_SETUP,
    MMAP,
    MREMAP,
    MSYNC,
    MUNMAP,
    PERSONALITY,
    PKEY_ALLOC,
    PKEY_FREE,
    PRCTL,
    REMAP_FILE_PAGES,
    SHMAT,
    VFORK,
)
from mmtwin.trace.descriptors import Descriptions, Table
from mmtwin.trace.maps import parse_maps
from mmtwin.trace.numbers import (
    BOOKKEEPING,
    CLOSE,
    CLOSE_RANGE,
    DUP2,
    DUP3,
    MEMORY_CALLS,
    PRLIMIT64,
    SETRLIMIT,
    UNSHARE,
)
from mmtwin.trace.records import Args, Call, Child, Exec, Gone, How, Limits, Record, Touch
from mmtwin.trace.touches import Touches

CLONE_VM: Final = 0x100
CLONE_FILES: Final = 0x400
CLONE_VFORK: Final = 0x4000
CLONE_THREAD: Final = 0x10000
SIGCHLD: Final = 17
MAP_ANONYMOUS: Final = 0x20
CLOSE_RANGE_UNSHARE: Final = 2
CLOSE_RANGE_CLOEXEC: Final = 4
ANON_NAME_MAX: Final = 80
PAGE: Final = 4096
PATIENCE_SECONDS: Final = 0.25
"""How long a thread waits for another one's memory call to end."""

PR_SET_VMA: Final = 0x53564D41
PRCTL_OPTIONS: Final = frozenset(
    {
        PR_SET_VMA,
        35,  # PR_SET_MM
        65,  # PR_SET_MDWE
        67,  # PR_SET_MEMORY_MERGE
    }
)
"""prctl options that are written to the trace."""

RESTARTED: Final = frozenset({-512, -513, -514, -516})
"""Results of the kernel's own (ERESTARTSYS ...): the call starts again, nothing was done."""

FREE: Final = frozenset({MSYNC, PKEY_ALLOC, PKEY_FREE, PERSONALITY})
"""Calls that leave the mappings as they are."""

STARTERS: Final = frozenset({FORK, VFORK, CLONE, CLONE3})

HOW: Final[dict[int, How]] = {
    ptrace.EVENT_FORK: "fork",
    ptrace.EVENT_VFORK: "vfork",
    ptrace.EVENT_CLONE: "clone",
}


class Space:
    """One address space: who is inside a memory call, who waits, what it has touched."""

    def __init__(self, parent: Space | None = None) -> None:
        self.inside: Task | None = None
        self.waiting: deque[Task] = deque()
        self.since = 0.0
        """When the first of those who wait began to, seconds of the monotonic clock."""
        self.touches: Touches = parent.touches.copy() if parent else Touches()
        self.brk: int = parent.brk if parent else 0
        """The end of the heap, once a call has told it."""


class Process:
    """One thread group: its limits as last written to the trace."""

    def __init__(self, limits: Limits | None = None, changed: bool = False) -> None:
        self.limits = limits
        self.changed = changed
        """A call that sets limits was seen since."""


class Task:
    """One thread."""

    def __init__(self, tid: int, space: Space, process: Process, table: Table) -> None:
        self.tid = tid
        self.space = space
        self.process = process
        self.table = table
        self.call: tuple[int, Args] | None = None
        """The memory call it is inside of: number and arguments."""
        self.note: tuple[int, Args] | None = None
        """The bookkeeping call it is inside of: the kernel's number and arguments."""
        self.name: str | None = None
        self.flags: int | None = None
        self.segment: tuple[int, int] | None = None


class Tracer:
    """All traced threads of one recording; ``put`` takes each record."""

    def __init__(self, root: int, put: Callable[[Record], None], *, maps: bool, touch: bool):
        self._put = put
        self._maps = maps
        self._touch = touch
        self._info = ptrace.SyscallInfo()
        self._descriptions = Descriptions()
        self._tasks: dict[int, Task] = {}
        self._early: set[int] = set()
        """Children that have stopped before their parents told of them."""
        self._early_gone: set[int] = set()
        """Such children that have even ended."""
        self._root = root
        self._started = False
        self.calls = 0
        self.foreign: set[int] = set()
        """Threads that made calls of another architecture (32-bit), which are not recorded."""
        self.status: int | None = None
        """The root process's wait status."""
        self._add(Task(root, Space(), Process(), Table()))

    # What the caller needs to know.

    @property
    def started(self) -> bool:
        """The command itself runs (before, it is the recorder's own child)."""
        return self._started

    def tids(self) -> list[int]:
        """All live threads."""
        return [*self._tasks, *self._early]

    def let_waiting_run(self) -> None:
        """Let those run who have long waited for a call that does not end: it may wait for them
        (a page fault that another thread is to serve)."""
        late = monotonic() - PATIENCE_SECONDS
        for space in {task.space for task in self._tasks.values()}:
            if space.waiting and space.since < late:
                self._release(space)

    # Stops.

    def ended(self, tid: int, status: int) -> None:
        """A thread has ended; ``status`` is waitpid's."""
        if tid == self._root:
            self.status = status
        self._orphans(tid)
        task = self._tasks.pop(tid, None)
        if task is None:
            if tid in self._early:
                self._early.discard(tid)
                self._early_gone.add(tid)
            return
        self._leave(task)
        if self._started:
            self._put(Gone(0, tid))

    def stopped(self, tid: int, status: int) -> None:
        """A thread has stopped: handle it and let it go on, unless it has to wait."""
        signal, event = status >> 8 & 0xFF, status >> 16
        task = self._tasks.get(tid)
        try:
            if task is None:
                self._early.add(tid)
            elif signal == SIGTRAP | 0x80:
                if self._at_call(task):
                    ptrace.resume(tid)
            elif event in HOW:
                self._child(task, event)
                ptrace.resume(tid)
            elif event == ptrace.EVENT_EXEC:
                self._exec(task)
                ptrace.resume(tid)
            elif event == ptrace.EVENT_STOP:
                if signal == SIGTRAP:
                    ptrace.resume(tid)
                else:
                    ptrace.listen(tid)
            else:
                ptrace.resume(tid, signal)
        except ProcessLookupError:
            # Killed while stopped; waitpid tells of its end next.
            return

    def _add(self, task: Task) -> None:
        self._tasks[task.tid] = task
        self._descriptions.join(task.tid, task.table)

    def _leave(self, task: Task) -> None:
        """The thread no longer takes part in its space, process and descriptor table."""
        self._descriptions.leave(task.tid, task.table)
        if task in task.space.waiting:
            task.space.waiting.remove(task)
        if task.space.inside is task:
            self._release(task.space)

    def _release(self, space: Space) -> None:
        """The one inside is done: the next one may enter."""
        space.inside = None
        while space.waiting:
            task = space.waiting.popleft()
            space.inside = task
            space.since = monotonic()
            try:
                self._look(task)
                ptrace.resume(task.tid)
            except ProcessLookupError:
                space.inside = None
                continue
            return

    # Calls.

    def _at_call(self, task: Task) -> bool:
        """Entry to or exit from a call; whether the thread may go on."""
        info = self._info
        ptrace.syscall_info(task.tid, info)
        if info.op == ptrace.AT_ENTRY:
            if info.arch != ptrace.AUDIT_ARCH_X86_64:
                self.foreign.add(task.tid)
                task.flags = None
                return True
            op = MEMORY_CALLS.get(info.nr)
            if op is not None:
                return self._enter(task, op, tuple(info.args))
            if info.nr in BOOKKEEPING:
                self._note(task, info.nr, tuple(info.args))
        elif info.op == ptrace.AT_EXIT:
            if task.call is not None:
                self._leave_call(task, info.nr)
            elif task.note is not None:
                self._note_done(task, info.nr)
        return True

    def _enter(self, task: Task, op: int, args: Args) -> bool:
        if not self._started or (op == PRCTL and args[0] & 0xFFFFFFFF not in PRCTL_OPTIONS):
            return True
        task.call = (op, args)
        task.name = task.flags = task.segment = None
        if op == PRCTL and args[0] & 0xFFFFFFFF == PR_SET_VMA:
            name = proc.memory(task.tid, args[4], ANON_NAME_MAX) if args[4] else b""
            task.name = name.partition(b"\0")[0].decode("utf-8", proc.OCTAL)
        elif op in STARTERS:
            task.flags = self._clone_flags(task.tid, op, args)
        elif op == SHMAT:
            task.segment = proc.shared_segment(args[0] & 0xFFFFFFFF)
        if op in FREE:
            return True
        space = task.space
        if space.inside is not None:
            if not space.waiting:
                space.since = monotonic()
            space.waiting.append(task)
            return False
        space.inside = task
        self._look(task)
        return True

    @staticmethod
    def _clone_flags(tid: int, op: int, args: Args) -> int | None:
        """Clone flags with the exit signal in the low byte."""
        if op == FORK:
            return SIGCHLD
        if op == VFORK:
            return CLONE_VM | CLONE_VFORK | SIGCHLD
        if op == CLONE:
            return args[0] & 0xFFFFFFFF
        arguments = proc.memory(tid, args[0], 40)
        if len(arguments) < 40:
            return None
        flags, _, _, _, exit_signal = struct.unpack("=5Q", arguments)
        return int(flags | exit_signal)

    def _leave_call(self, task: Task, result: int) -> None:
        """Write the call that has returned, with what can only be asked now."""
        assert task.call is not None
        op, args = task.call
        task.call = None
        space = task.space
        if result not in RESTARTED:
            call = Call(0, task.tid, op, args, result)
            call.name, call.flags = task.name, task.flags
            if task.segment is not None:
                call.size, call.key = task.segment
            if op == MMAP and not args[3] & MAP_ANONYMOUS:
                self._file(task, call)
            self._limits(task, call)
            if self._maps and space.inside in (task, None):
                call.maps = proc.maps(task.tid)
            if self._touch and result >= 0:
                self._forget(space, op, args, result)
            self._put(call)
            self.calls += 1
        if space.inside is task:
            self._release(space)

    def _file(self, task: Task, call: Call) -> None:
        """The path and the open file description of a mapped file."""
        descriptor = call.args[4] & 0xFFFFFFFF
        if descriptor < 1 << 31:
            call.file = proc.path_of(task.tid, descriptor)
            call.open = self._descriptions.number(task.tid, task.table, descriptor)

    def _limits(self, task: Task, call: Call) -> None:
        """The process's limits, if they have changed since they were last written."""
        process = task.process
        if process.changed:
            process.changed = False
            limits = proc.limits(task.tid)
            if limits is not None and limits != process.limits:
                process.limits = call.limits = limits

    # Calls that are not written.

    def _note(self, task: Task, number: int, args: Args) -> None:
        """A call that may close descriptors or change limits; descriptors go at the entry."""
        if number == CLOSE:
            task.table.close(args[0] & 0xFFFFFFFF, args[0] & 0xFFFFFFFF)
        elif number in (DUP2, DUP3):
            if args[0] & 0xFFFFFFFF != args[1] & 0xFFFFFFFF:
                task.table.close(args[1] & 0xFFFFFFFF, args[1] & 0xFFFFFFFF)
        elif number == CLOSE_RANGE:
            if args[2] & CLOSE_RANGE_UNSHARE:
                self._own_table(task)
            if not args[2] & CLOSE_RANGE_CLOEXEC:
                task.table.close(args[0] & 0xFFFFFFFF, args[1] & 0xFFFFFFFF)
        elif number == UNSHARE:
            if args[0] & CLONE_FILES:
                self._own_table(task)
        else:
            task.note = (number, args)

    def _note_done(self, task: Task, result: int) -> None:
        assert task.note is not None
        number, args = task.note
        task.note = None
        if result < 0 or not self._started:
            return
        if number == SETRLIMIT:
            task.process.changed = True
        elif number == PRLIMIT64 and args[2]:
            target = self._tasks.get(args[0] & 0xFFFFFFFF, task)
            target.process.changed = True

    def _own_table(self, task: Task) -> None:
        """The thread gets a copy of its descriptor table."""
        self._descriptions.leave(task.tid, task.table)
        task.table = Table(task.table.known)
        self._descriptions.join(task.tid, task.table)

    # Threads and images.

    def _child(self, parent: Task, event: int) -> None:
        """A new thread: write it, and let it go if it has stopped already."""
        child = ptrace.event_message(parent.tid)
        flags = parent.flags
        if flags is None:
            # clone3's arguments were unreadable: the event and /proc tell the rest.
            thread = proc.group_and_parent(child)[0] != child
            flags = CLONE_VM | CLONE_THREAD | CLONE_FILES if thread else SIGCHLD
        self._adopt(parent, child, HOW[event], flags)
        if flags & CLONE_VFORK and parent.space.inside is parent:
            # The call returns only when the child, which may use this very space, lets it.
            self._release(parent.space)

    def _adopt(self, parent: Task, child: int, how: How, flags: int) -> None:
        space = parent.space if flags & CLONE_VM else Space(parent.space)
        process = parent.process
        if not flags & CLONE_THREAD:
            process = Process(process.limits, process.changed)
        table = parent.table if flags & CLONE_FILES else Table(parent.table.known)
        if self._started:
            self._put(Child(0, parent.tid, child, how, flags))
        if child in self._early_gone:
            self._early_gone.discard(child)
            if self._started:
                self._put(Gone(0, child))
            return
        self._add(Task(child, space, process, table))
        if child in self._early:
            self._early.discard(child)
            ptrace.resume(child)

    def _orphans(self, parent: int) -> None:
        """Children whose parent was killed while it was to tell of them: nobody else will."""
        task = self._tasks.get(parent)
        if task is None:
            return
        for child in sorted(self._early):
            group, ancestor = proc.group_and_parent(child)
            if group == child and ancestor == parent:
                self._adopt(task, child, "fork", SIGCHLD)

    def _exec(self, leader: Task) -> None:
        """A fresh image; the thread that called exec has taken the leader's id."""
        tid = leader.tid
        self._orphans(tid)
        former = ptrace.event_message(tid)
        for task in {leader, self._tasks.pop(former, leader)}:
            self._leave(task)
        old = leader.process
        self._add(Task(tid, Space(), Process(), Table()))
        task = self._tasks[tid]
        record = Exec(0, tid, proc.maps(tid))
        record.exe = proc.program(tid)
        record.image = proc.image(tid)
        record.limits = proc.limits(tid)
        record.personality = proc.personality(tid)
        record.ipc_lock = proc.has_ipc_lock(tid)
        if former != tid:
            record.former = former
        if not self._started:
            record.host = proc.host()
            self._started = True
        task.process.limits = record.limits or old.limits
        if record.maps:
            self._put(record)
            if self._touch:
                self._touched(task, record.maps)

    # Touches.

    def _look(self, task: Task) -> None:
        """Write what the space has touched since the last memory call."""
        assert task.call is not None
        if self._touch and not (task.flags or 0) & CLONE_VM:
            self._touched(task, proc.maps(task.tid))

    def _touched(self, task: Task, text: str) -> None:
        for page in task.space.touches.look(task.tid, parse_maps(text)):
            self._put(Touch(0, task.tid, page, PAGE, True))

    @staticmethod
    def _forget(space: Space, op: int, args: Args, result: int) -> None:
        """Ranges that a successful call took away or replaced."""
        forget = space.touches.forget
        if op == MMAP:
            forget(result, result + args[1])
        elif op == BRK:
            if result < space.brk:
                forget(result, space.brk)
            space.brk = result
        elif op == MUNMAP:
            forget(args[0], args[0] + args[1])
        elif op == MREMAP:
            forget(args[0], args[0] + args[1])
            forget(result, result + args[2])
        elif op in (SHMAT, REMAP_FILE_PAGES, IO_SETUP, IO_DESTROY):
            forget(0, 1 << 64)
