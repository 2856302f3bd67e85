"""Processes of a replay: who has which address space, and what each record does to it."""

from __future__ import annotations

import errno
from collections.abc import Callable

from cython import declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.pids import Pids
from mmtwin.memory.memory import Memory
from mmtwin.memory.view import View
from mmtwin.replay.feed import Feed
from mmtwin.replay.files import Files
from mmtwin.space import flags as c
from mmtwin.space.files import SHMEM_DEV
from mmtwin.space.space import Space
from mmtwin.space.v6_18 import Space618
from mmtwin.trace import calls
from mmtwin.trace.maps import parse_maps
from mmtwin.trace.records import Call, Child, Exec, Gone, Limits, Record, Touch
from mmtwin.twin import Twin

CLONE_VM = 0x100
AHEAD_FOR_FLAGS = 512
"""Records to look ahead for the ``clone`` line that follows a ``child`` line."""
PR_SET_VMA = 0x53564D41
MAP_TYPE = 0xF
LOW = declare(u64, 0xFFFFFFFF)
PAGE_MASK = ~0xFFF
MAP_ANONYMOUS = declare(u64, c.MAP_ANONYMOUS)
MMAP = declare(i32, calls.MMAP)
MUNMAP = declare(i32, calls.MUNMAP)
MPROTECT = declare(i32, calls.MPROTECT)
MREMAP = declare(i32, calls.MREMAP)
MADVISE = declare(i32, calls.MADVISE)
MLOCK = declare(i32, calls.MLOCK)
MUNLOCK = declare(i32, calls.MUNLOCK)
BRK_DISTANCE = 1 << 30
"""How far above the image the first program break may lie: arch_randomize_brk, 1 GiB at most."""
PROGRAM_DISTANCE = 1 << 40
"""How far above ELF_ET_DYN_BASE a program may lie: 28 random bits of pages."""
NO_EFFECT = frozenset(
    {
        calls.FORK,
        calls.VFORK,
        calls.CLONE,
        calls.CLONE3,
        calls.EXIT,
        calls.EXIT_GROUP,
        calls.PKEY_ALLOC,
        calls.PKEY_FREE,
        calls.PERSONALITY,
    }
)
"""Calls whose effect on memory, if any, stands in other records (``child``, ``gone``)."""


class Unpredictable(Exception):
    """The record does not hold what the result hangs on; ``str()`` says what is missing."""


class Processes:
    """Carries single records out in a twin."""

    def __init__(self, twin: Twin, feed: Feed) -> None:
        self.twin = twin
        self.memory: Memory = twin.memory
        self.pids: Pids = twin.pids
        self.space: Space = twin.space
        self.feed = feed
        self.files = Files(twin)
        self.inferred: set[int] = set()
        """Lines whose answer showed a random base that exec had drawn."""
        self._at_mm = twin.layouts.task_struct.offset("mm")
        self._rarer = self._rarer_calls()

    def _rarer_calls(self) -> dict[int, Callable[[int, Call], int | None]]:
        """What carries a call out, by its number, but for those of :meth:`_call`."""
        space = self.twin.space
        return {
            calls.BRK: self._brk,
            calls.PKEY_MPROTECT: lambda mm, r: space.sys_pkey_mprotect(mm, *r.args[:4]),
            calls.MLOCK2: lambda mm, r: space.sys_mlock2(mm, *r.args[:3]),
            calls.MLOCKALL: lambda mm, r: space.sys_mlockall(mm, r.args[0]),
            calls.MUNLOCKALL: lambda mm, r: space.sys_munlockall(mm),
            calls.MSYNC: lambda mm, r: space.sys_msync(mm, *r.args[:3]),
            calls.REMAP_FILE_PAGES: lambda mm, r: space.sys_remap_file_pages(mm, *r.args[:5]),
            calls.MBIND: lambda mm, r: space.sys_mbind(mm, *r.args),
            calls.MSEAL: self._mseal,
            calls.PRCTL: self._prctl,
            calls.SHMAT: self._shmat,
            calls.SHMDT: lambda mm, r: space.sys_shmdt(mm, r.args[0]),
        }

    def carry_out(self, record: Record) -> int | None:
        """Do what the record says was done; the result of a call, None where there is none.

        :class:`Unpredictable` if the record does not hold what the result hangs on.
        """
        if isinstance(record, Call):
            return self._call(record)
        if isinstance(record, Touch):
            self.space.touch(self.mm(record.pid), record.addr, record.len, record.write)
        elif isinstance(record, Exec):
            self._exec(record)
        elif isinstance(record, Child):
            self._child(record)
        elif isinstance(record, Gone):
            self._gone(record.pid)
        return None

    def _call(self, record: Call) -> int | None:
        if record.limits is not None:
            self._set_limits(self._task(record.pid), record.limits)
        if record.renamed is not None:
            self._rename(record.renamed)
        if record.op in NO_EFFECT:
            return None
        op: i32 = record.op
        mm: u64 = self.mm(record.pid)
        if op == MMAP:
            return self._mmap(mm, record)
        first, second, third, fourth, fifth, _ = record.args
        if op == MUNMAP:
            return self.space.sys_munmap(mm, first, second)
        if op == MPROTECT:
            return self.space.sys_mprotect(mm, first, second, third)
        if op == MREMAP:
            return self.space.sys_mremap(mm, first, second, third, fourth, fifth)
        if op == MADVISE:
            return self.space.sys_madvise(mm, first, second, third)
        if op == MLOCK:
            return self.space.sys_mlock(mm, first, second)
        if op == MUNLOCK:
            return self.space.sys_munlock(mm, first, second)
        function = self._rarer.get(record.op)
        if function is None:
            raise Unpredictable(f"{record.name_of_call} is not carried out")
        return function(mm, record)

    # Who is who.

    def mm(self, pid: u64) -> u64:
        """The address space of a thread, 0 if it has none."""
        return self.memory.load(self._task(pid) + self._at_mm)

    def maps(self, pid: int) -> str:
        """The twin's /proc/PID/maps of a thread."""
        mm = self.mm(pid)
        return self.space.proc_maps(mm) if mm else ""

    def maps_agree(self, pid: int, text: str) -> bool:
        """Whether the twin's /proc/PID/maps of a thread is ``text``."""
        return self.maps(pid) == text

    def view(self, mm: int) -> View:
        """The members of an address space by name."""
        return View(self.twin.memory, self.twin.layouts.mm_struct, mm)

    def _task(self, pid: u64) -> u64:
        task: u64 = self.pids.find(pid)
        if task == 0:
            raise Unpredictable("the thread is not known")
        return task

    def _drop_mm(self, task: int) -> None:
        memory = self.twin.memory
        mm = memory.load(task + self._at_mm)
        if mm:
            memory.store(task + self._at_mm, 0)
            self.space.mmput(mm)

    def _exec(self, record: Exec) -> None:
        twin = self.twin
        if record.former is not None and record.former != record.pid:
            self._gone(record.former)
        task = twin.pids.find(record.pid)
        if task == 0:
            task = self.space.task_alloc(0)
            twin.pids.add(record.pid, task)
        self._drop_mm(task)
        view = View(twin.memory, twin.layouts.task_struct, task)
        if record.personality is not None:
            view.personality = record.personality
        if record.ipc_lock is False:
            cred = View(twin.memory, twin.layouts.cred, view.get("cred"))
            cred.cap_effective = cred.get("cap_effective") & ~(1 << c.CAP_IPC_LOCK)
        if record.host is not None:
            self._set_host(record)
        if record.limits is not None:
            self._set_limits(task, record.limits)
        lines = parse_maps(record.maps)
        self.files.learn(lines)
        image = record.image
        mm = self.space.load_image(
            task,
            lines,
            start_brk=image.start_brk if image else 0,
            start_stack=image.start_stack if image else 0,
        )
        if image is not None:
            fields = self.view(mm)
            fields.start_code, fields.end_code = image.start_code, image.end_code
            fields.start_data, fields.end_data = image.start_data, image.end_data
        twin.memory.store(task + self._at_mm, mm)

    def _set_host(self, record: Exec) -> None:
        assert record.host is not None
        sysctl = self.space.view("sysctl", self.space.sysctl)
        sysctl.max_map_count = record.host.max_map_count
        sysctl.overcommit_memory = record.host.overcommit_memory
        sysctl.mmap_min_addr = record.host.mmap_min_addr
        sysctl.legacy_va_layout = record.host.legacy_va_layout
        sysctl.thp = int(record.host.thp != "")
        sysctl.thp_enabled = {"always": 2, "madvise": 1}.get(record.host.thp, 0)
        sysctl.pkeys = int(record.host.pku)

    def _set_limits(self, task: int, limits: Limits) -> None:
        twin = self.twin
        signal = View(twin.memory, twin.layouts.task_struct, task).get("signal")
        view = View(twin.memory, twin.layouts.signal_struct, signal)
        for which, value in (
            (c.RLIMIT_STACK, limits.stack),
            (c.RLIMIT_AS, limits.address_space),
            (c.RLIMIT_DATA, limits.data),
            (c.RLIMIT_MEMLOCK, limits.memlock),
        ):
            view.put("rlim_cur", value, which)

    def _rename(self, paths: dict[str, str]) -> None:
        """Mapped files are called otherwise: new paths by old ones."""
        twin = self.twin
        files = self.files.renamed(paths)
        for _, task in twin.pids:
            mm = twin.memory.load(task + self._at_mm)
            for vma in self.space.vmas(mm) if mm else ():
                files.add(View(twin.memory, twin.layouts.vm_area_struct, vma).get("vm_file"))
        for file in files - {0}:
            view = View(twin.memory, twin.layouts.file, file)
            view.f_path = paths.get(view.f_path, view.f_path)

    def _child(self, record: Child) -> None:
        twin = self.twin
        if twin.pids.find(record.child):
            if record.late:
                return
            self._gone(record.child)
        parent = self._task(record.pid)
        mm = twin.memory.load(parent + self._at_mm)
        child = self.space.task_alloc(parent)
        twin.pids.add(record.child, child)
        if not mm:
            return
        if self._shares(record):
            view = self.view(mm)
            view.mm_users = view.get("mm_users") + 1
            twin.memory.store(child + self._at_mm, mm)
        else:
            copy = self.space.dup_mmap(mm, child)
            if copy < 0:
                raise Unpredictable("the copy of the address space failed")
            twin.memory.store(child + self._at_mm, copy)

    def _shares(self, record: Child) -> bool:
        """Whether the new thread uses its parent's address space rather than a copy."""
        flags = record.flags
        if flags is None and record.how == "clone":
            for later in self.feed.ahead(AHEAD_FOR_FLAGS):
                if isinstance(later, Call) and later.pid == record.pid:
                    if later.op == calls.CLONE:
                        flags = later.args[0]
                    elif later.op == calls.CLONE3:
                        flags = later.flags
                    break
        if flags is not None:
            return bool(flags & CLONE_VM)
        return record.how != "fork"

    def _gone(self, pid: int) -> None:
        task = self.twin.pids.find(pid)
        if task:
            self._drop_mm(task)
            self.twin.pids.remove(pid)
            self.space.put_task(task)

    # Calls that need more than their arguments.

    def _mmap(self, mm: u64, record: Call) -> i64:
        addr, length, prot, flags, _, offset = record.args
        file: u64 = 0
        if flags & MAP_ANONYMOUS == 0:
            if record.file is None:
                raise Unpredictable("what the descriptor stands for is not recorded")
            file = self.files.of_mmap(mm, record)
        elif flags & MAP_TYPE != c.MAP_PRIVATE or flags & c.MAP_HUGETLB:
            self.files.number_shared_object(record)
        return self.space.sys_mmap(mm, addr, length, prot & LOW, flags & LOW, file, offset)

    def _brk(self, mm: int, record: Call) -> int:
        view = self.view(mm)
        if view.get("start_brk") == 0 and record.ret is not None:
            end = view.get("end_data")
            if end > c.ELF_ET_DYN_BASE + PROGRAM_DISTANCE:
                # A dynamic loader run by itself lies among the mappings; its heap does not.
                end = c.ELF_ET_DYN_BASE
            if end <= record.ret <= end + BRK_DISTANCE:
                # Exec drew the break at random; the first answer is where the record shows it.
                view.start_brk = record.ret
                view.brk = record.ret
                self.inferred.add(record.line)
        return self.space.sys_brk(mm, record.args[0])

    def _mseal(self, mm: int, record: Call) -> int:
        if isinstance(self.space, Space618):
            return self.space.sys_mseal(mm, *record.args[:3])
        return -errno.ENOSYS

    def assume_written(self, record: Record) -> None:
        """Write to what a call gave, as programs do, where the trace has no ``touch`` lines.

        Private writable memory that was asked for is taken as written before the next call.
        """
        if not isinstance(record, Call) or record.ret is None or -4096 < record.ret < 0:
            return
        first = 0
        if record.op in (calls.MMAP, calls.MREMAP):
            first = record.ret
        elif record.op == calls.MPROTECT:
            first = record.args[0]
        elif record.op == calls.BRK:
            first = record.ret - 1
        first &= PAGE_MASK
        if first > 0:
            vma = self.space.vma_lookup(self.mm(record.pid), first)
            if vma:
                area = View(self.twin.memory, self.twin.layouts.vm_area_struct, vma)
                if area.get("vm_flags") & (c.VM_WRITE | c.VM_SHARED) == c.VM_WRITE:
                    self.space.touch(self.mm(record.pid), first, 1, True)

    def _prctl(self, mm: int, record: Call) -> int | None:
        option, what, addr, length, name = record.args[:5]
        if option & LOW != PR_SET_VMA:
            return None
        if name and record.name is None:
            raise Unpredictable("the name given to the area is not recorded")
        return self.space.sys_prctl_set_vma(mm, what, addr, length, record.name if name else None)

    def _shmat(self, mm: int, record: Call) -> int:
        shmid = record.args[0] & LOW
        if self.space.shm_obtain_object(shmid) == 0 and record.ret is not None and record.ret > 0:
            if record.size is None:
                raise Unpredictable("the segment's size is not recorded")
            huge = c.SHM_HUGETLB if of_huge_pages(record) else 0
            self.space.shm_create(mm, shmid, record.key or 0, record.size, huge)
        return self.space.sys_shmat(mm, shmid, record.args[1], record.args[2] & LOW)


def of_huge_pages(record: Call) -> bool:
    """Does shmat attach a segment of huge pages? Its device in the maps is not shared memory's."""
    lines = parse_maps(record.maps) if record.maps else ()
    return any(
        line.start == record.ret and (line.major, line.minor) != (0, SHMEM_DEV) for line in lines
    )
