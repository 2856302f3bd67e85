"""Following a program and all its threads through their memory calls.

``Tracer`` is fed the stops that waitpid(2) reports and writes records. Each memory call of an
address space is let through alone: a thread that enters one while another thread of the same
space is inside waits, stopped, so that the order of records is the order in which the kernel
did the work and no maps text shows half of another call.
"""

from __future__ import annotations

from collections.abc import Callable
from signal import SIGTRAP
from time import monotonic
from typing import Final

from mmtwin.trace import details, proc, ptrace
from mmtwin.trace.calls import MMAP, PRCTL, SHMAT
from mmtwin.trace.descriptors import Descriptions, Table
from mmtwin.trace.details import CLONE_FILES, CLONE_THREAD, CLONE_VFORK, CLONE_VM, SIGCHLD
from mmtwin.trace.maps import parse_maps
from mmtwin.trace.numbers import (
    BOOKKEEPING,
    CLOSE,
    CLOSE_RANGE,
    DUP2,
    DUP3,
    MEMORY_CALLS,
    NAMING,
    PRLIMIT64,
    SETRLIMIT,
    UNSHARE,
)
from mmtwin.trace.paths import Paths
from mmtwin.trace.records import Args, Call, Child, Exec, Gone, How, Record, Touch
from mmtwin.trace.tasks import Process, Space, Task

MAP_ANONYMOUS: Final = 0x20
CLOSE_RANGE_UNSHARE: Final = 2
CLOSE_RANGE_CLOEXEC: Final = 4
PAGE: Final = 4096
PATIENCE_SECONDS: Final = 0.25
"""How long a thread waits for another one's memory call to end."""

HOW: Final[dict[int, How]] = {
    ptrace.EVENT_FORK: "fork",
    ptrace.EVENT_VFORK: "vfork",
    ptrace.EVENT_CLONE: "clone",
}


class Tracer:
    """All traced threads of one recording; ``put`` takes each record."""

    def __init__(self, root: int, put: Callable[[Record], None], *, maps: bool, touch: bool):
        self._put = put
        self._maps = maps
        self._touch = touch
        self._info = ptrace.SyscallInfo()
        self._descriptions = Descriptions()
        self._paths = Paths()
        self._tasks: dict[int, Task] = {}
        self._early: set[int] = set()
        """Children that have stopped before their parents told of them."""
        self._early_gone: set[int] = set()
        """Such children that have even ended."""
        self._root = root
        self._started = False
        self._recorded = False
        self.calls = 0
        self.foreign: set[int] = set()
        """Threads with calls that are not recorded: of another architecture (32-bit), or in an
        address space that cannot be seen."""
        self.status: int | None = None
        """The root process's wait status."""
        self._add(Task(root, Space(), Process(), Table()))

    # What the caller needs to know.

    @property
    def started(self) -> bool:
        """The command itself runs (before, it is the recorder's own child)."""
        return self._started

    @property
    def recorded(self) -> bool:
        """An image was seen, and so the trace has begun."""
        return self._recorded

    def tids(self) -> list[int]:
        """All live threads."""
        return [*self._tasks, *self._early]

    def let_waiting_run(self) -> None:
        """Let those run who have long waited for a call that sleeps: it may wait for them (a page
        fault that another thread is to serve). One that is running, or has returned and not been
        seen yet, is only slow."""
        late = monotonic() - PATIENCE_SECONDS
        for space in {task.space for task in self._tasks.values()}:
            inside = space.inside
            if inside and space.waiting and space.since < late and proc.sleeps(inside.tid):
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
        if self._recorded:
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
        if not self._recorded or task.hidden or not details.is_written(op, args):
            return True
        task.call = (op, args)
        task.name = task.flags = task.segment = None
        if op == PRCTL:
            task.name = details.area_name(task.tid, args)
        elif op in details.STARTERS:
            task.flags = details.clone_flags(task.tid, op, args)
        elif op == SHMAT:
            task.segment = proc.shared_segment(args[0] & 0xFFFFFFFF)
        if op in details.FREE:
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

    def _leave_call(self, task: Task, result: int) -> None:
        """Write the call that has returned, with what can only be asked now."""
        assert task.call is not None
        op, args = task.call
        task.call = None
        space = task.space
        if result not in details.RESTARTED:
            call = Call(0, task.tid, op, args, result)
            call.name, call.flags = task.name, task.flags
            if task.segment is not None:
                call.size, call.key = task.segment
            if op == MMAP and not args[3] & MAP_ANONYMOUS:
                self._file(task, call)
            self._limits(task, call)
            call.renamed = self._paths.taken()
            if self._maps and space.inside in (task, None):
                call.maps = proc.maps(task.tid)
            if self._touch and call.maps:
                # Another thread's stack may have grown while this one was inside.
                grown = space.touches.stack(parse_maps(call.maps))
                if grown is not None:
                    self._put(Touch(0, task.tid, grown, PAGE, True))
            if self._touch and result >= 0:
                details.forget(space, op, args, result)
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
            if call.file is not None:
                self._paths.mapped(task.tid, call.file)

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
        """A call that may change descriptors, limits or paths; descriptors go at the entry."""
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
        if result < 0 or not self._recorded:
            return
        if number == SETRLIMIT:
            task.process.changed = True
        elif number in NAMING:
            spaces = {other.space: other.tid for other in self._tasks.values()}
            self._paths.look(task.tid, spaces.values())
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
        if self._recorded:
            self._put(Child(0, parent.tid, child, how, flags))
        if child in self._early_gone:
            self._early_gone.discard(child)
            if self._recorded:
                self._put(Gone(0, child))
            return
        task = Task(child, space, process, table)
        task.hidden = parent.hidden
        self._add(task)
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
        self._started = True
        task.process.limits = record.limits or old.limits
        if not record.maps:
            task.hidden = True
            self.foreign.add(tid)
            return
        if not self._recorded:
            record.host = proc.host()
            self._recorded = True
        self._put(record)
        for line in parse_maps(record.maps):
            if line.inode:
                self._paths.mapped(tid, line.name)
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
