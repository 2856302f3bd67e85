"""The twin's side of a comparison: the same processes, files and calls as on the real kernel."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from mmtwin.kernels import abi
from mmtwin.kernels.calls import Call
from mmtwin.kernels.compare import Outcome
from mmtwin.kernels.host.agent import FileFacts
from mmtwin.kernels.host.facts import Facts
from mmtwin.kernels.maps import areas
from mmtwin.kernels.options import Start
from mmtwin.kernels.smaps import FRAME_BITS, HEAD_PAGES, Words, pool_lines
from mmtwin.machine.profile import Profile
from mmtwin.space.files import AREA_HUGE_2M, FILE_HUGETLB, FILE_NO_MMAP, FILE_SHMEM
from mmtwin.space.v6_18.space import Space618
from mmtwin.trace.maps import parse_maps
from mmtwin.twin import Override, Twin

MEMORY_SIZE = 1 << 28
LEAST_BATCH = 32
CAP_SYS_RESOURCE = 24
WATCHER = "anon_inode:[userfaultfd]"
ANON_INODES = 14
"""The device number's minor half of files that no file system holds."""


@dataclass(slots=True)
class Process:
    """A process in the twin: its task and address space, and its open files by descriptor.

    ``watchers`` are descriptors of userfaultfd that are ready to watch its memory.
    """

    task: int
    mm: int
    files: dict[int, int] = field(default_factory=dict)
    watchers: set[int] = field(default_factory=set)


class TwinMachine:
    """One twin that begins every run from the same state, with the real machine's settings.

    ``heap`` is where the heap of a fresh process begins; ``file_facts`` tells of files what the
    real machine's kernel does; ``segments`` the sizes in bytes of the System V segments.
    """

    def __init__(
        self,
        profile: Profile,
        facts: Facts,
        *,
        heap: int,
        file_facts: Callable[[str], FileFacts],
        segments: Sequence[int] = (),
        regressions: Sequence[Override] = (),
    ) -> None:
        self.twin = Twin(profile, regressions, keep_journal=True, ram=MEMORY_SIZE)
        self.space = self.twin.space
        self.heap = heap
        self.file_facts = file_facts
        self.charged_at_start = 0
        # Facts say that the processor has none; s390's kernel has not even the calls.
        self.no_keys = -errno.ENOSYS if facts.machine == "s390x" else -errno.EINVAL
        self.processes: dict[int, Process] = {}
        self._apply(facts)
        self._first = self.space.task_alloc(0)
        self._limits(facts)
        self.segments = len(segments)
        self._segments(segments)
        self._beginning = self.twin.memory.mark()
        space = self.space
        self._calls: dict[str, Callable[[Process, Call], int]] = {
            "mmap": self._mmap,
            "munmap": lambda p, c: space.sys_munmap(p.mm, *c.args),
            "mprotect": lambda p, c: space.sys_mprotect(p.mm, *c.args),
            "pkey_mprotect": lambda p, c: space.sys_pkey_mprotect(p.mm, *c.args),
            "brk": lambda p, c: space.sys_brk(p.mm, *c.args),
            "mremap": lambda p, c: space.sys_mremap(p.mm, *c.args),
            "madvise": lambda p, c: space.sys_madvise(p.mm, *c.args),
            "mlock": lambda p, c: space.sys_mlock(p.mm, *c.args),
            "mlock2": lambda p, c: space.sys_mlock2(p.mm, *c.args),
            "munlock": lambda p, c: space.sys_munlock(p.mm, *c.args),
            "mlockall": lambda p, c: space.sys_mlockall(p.mm, *c.args),
            "munlockall": lambda p, c: space.sys_munlockall(p.mm),
            "msync": lambda p, c: space.sys_msync(p.mm, *c.args),
            "mincore": lambda p, c: space.sys_mincore(p.mm, *c.args),
            "remap_file_pages": lambda p, c: space.sys_remap_file_pages(p.mm, *c.args),
            "shmat": lambda p, c: space.sys_shmat(p.mm, *c.args),
            "shmdt": lambda p, c: space.sys_shmdt(p.mm, *c.args),
            "touch": lambda p, c: space.touch(p.mm, c.args[0], c.args[1], bool(c.args[2])),
            "mbind": self._mbind,
            "mseal": self._mseal,
            "pkey_alloc": lambda p, c: self.no_keys,
            "pkey_free": lambda p, c: self.no_keys,
            "process_madvise": lambda p, c: space.sys_process_madvise(p.mm, *c.args),
            "process_vm_readv": lambda p, c: space.sys_process_vm(
                p.mm, c.args[0], c.args[1], False
            ),
            "process_vm_writev": lambda p, c: space.sys_process_vm(
                p.mm, c.args[0], c.args[1], True
            ),
            "userfaultfd": self._userfaultfd,
            "uffdio_api": self._uffdio_api,
            "uffdio_register": self._uffdio_register,
            "uffdio_unregister": self._uffdio_unregister,
            "prctl": self._prctl,
            "setrlimit": self._setrlimit,
            "capset": self._capset,
            "personality": self._personality,
            "open": self._open,
            "memfd_create": self._memfd_create,
            "ftruncate": self._ftruncate,
            "fcntl": self._fcntl,
            "look": lambda p, c: 0,
        }

    def start(self, start: Start, maps: str, committed: int = 0) -> str:
        """Forget the last run; a fresh process in slot 1 that looks like ``maps``.

        ``committed`` are the pages charged on the machine, which counts in overcommit mode 2.
        Returns the twin's own text of it.
        """
        self.twin.memory.rewind(self._beginning)
        sysctl = self.space.view("sysctl", self.space.sysctl)
        if start.max_map_count is not None:
            sysctl.max_map_count = start.max_map_count
        task = self._first
        view = self.space.view("task_struct", task)
        view.personality = abi.ADDR_NO_RANDOMIZE | start.personality
        if start.stack_limit is not None:
            limits = self.space.view("signal_struct", view.signal)
            limits.put("rlim_cur", start.stack_limit, abi.RLIMIT_STACK)
        mm = self.space.load_image(task, parse_maps(maps), start_brk=self.heap)
        self._fill_image(mm, maps)
        bounds = self.space.view("mm_struct", mm)
        bounds.start_data = bounds.end_data = self.heap  # the agent has zeroed data only
        self.processes = {1: Process(task, mm)}
        if start.huge_pages:
            pool = self.space.huge
            pool.set_nr_hugepages(start.huge_pages)
            pool.set_nr_overcommit_hugepages(start.huge_surplus)
        if start.huge_segments:
            self._huge_segments(start.huge_segments)
        if start.overcommit:
            sysctl.overcommit_memory = start.overcommit
            sysctl.overcommit_kbytes = 4 * (committed + start.spare)
            sysctl.vm_committed_as = committed
            # mm_compute_batch for mode 2 and one processor; setting the mode empties it.
            sysctl.committed_batch = max(sysctl.totalram_pages // 256, LEAST_BATCH)
            sysctl.committed_held = sysctl.committed_batch
        self.charged_at_start = self._charged()
        return self.space.proc_maps(mm)

    def _fill_image(self, mm: int, maps: str) -> None:
        """Exec has written arguments to the highest page of the stack; the agent's data is used."""
        for area in areas(maps):
            if area.name == "[stack]" or area.end == self.heap:
                self.space.touch(mm, area.end - abi.PAGE, abi.PAGE, True)

    def _charged(self) -> int:
        return self.space.view("sysctl", self.space.sysctl).get("vm_committed_as")

    def carry_out(self, call: Call, *, details: bool = False) -> list[Outcome]:
        """Make a call: what its process sees then; of a fork also what the child sees.

        ``details`` asks for smaps, status and pagemap too.
        """
        process = self.processes[call.slot]
        if call.name == "fork":
            return self._fork(process, call, details)
        if call.name == "exit":
            self.space.mmput(process.mm)
            del self.processes[call.slot]
            return [Outcome(0, 0, "")]
        result = self._calls[call.name](process, call)
        outcome = self._outcome(call.slot, result, process.mm, details)
        if call.name == "mincore" and result == 0:
            at, length = call.args
            core = self.space.mincore_vector(process.mm, at, length)
            outcome = replace(outcome, core=core)
        return [outcome]

    def _outcome(self, slot: int, result: int, mm: int, with_details: bool) -> Outcome:
        space = self.space
        maps = space.proc_maps(mm)
        if not with_details:
            return Outcome(slot, result, maps)
        return Outcome(
            slot,
            result,
            maps,
            space.proc_smaps(mm),
            space.proc_status(mm),
            self._pagemap(mm, maps),
            charged=self._charged() - self.charged_at_start,
            pool=pool_lines(space.huge.report_meminfo()),
        )

    def _pagemap(self, mm: int, maps: str) -> Words:
        """The flags of each area's first pages."""
        entry = self.space.pagemap_entry
        return [
            (
                area.start,
                [
                    entry(mm, area.start + (page << 12)) >> FRAME_BITS
                    for page in range(min(area.pages, HEAD_PAGES))
                ],
            )
            for area in areas(maps)
        ]

    # Set-up.

    def _apply(self, facts: Facts) -> None:
        sysctl = self.space.view("sysctl", self.space.sysctl)
        sysctl.max_map_count = facts.max_map_count
        sysctl.dac_mmap_min_addr = facts.mmap_min_addr
        sysctl.totalram_pages = facts.total_ram_pages
        sysctl.total_swap_pages = facts.total_swap_pages
        sysctl.admin_reserve_kbytes = facts.admin_reserve_kbytes
        sysctl.user_reserve_kbytes = facts.user_reserve_kbytes
        sysctl.overcommit_memory = facts.overcommit_memory
        sysctl.vsyscall = int(facts.vsyscall)
        sysctl.soft_dirty = int(facts.soft_dirty)
        sysctl.pkeys = int(facts.pkeys)
        sysctl.anon_vma_name = int(facts.anon_vma_name)
        sysctl.thp_enabled = {"never": 0, "madvise": 1, "always": 2}[facts.thp]

    def _limits(self, facts: Facts) -> None:
        task = self.space.view("task_struct", self._first)
        limits = self.space.view("signal_struct", task.signal)
        for which, (soft, hard) in facts.limits.items():
            limits.put("rlim_cur", soft, which)
            limits.put("rlim_max", hard, which)
        self.space.view("cred", task.cred).cap_effective = facts.capabilities

    def _segments(self, sizes: Sequence[int]) -> None:
        mm = self.space.mm_alloc(self._first)
        for shmid, size in enumerate(sizes):
            if self.space.shm_create(mm, shmid, 0, size) != 0:
                raise MemoryError(f"no memory for a segment of {size} bytes")

    def _huge_segments(self, wanted: Sequence[tuple[int, int]]) -> None:
        """Segments of huge pages, each attached where nobody looks; see the agent's."""
        space = self.space
        holder = space.mm_alloc(self._first)
        for nth, (size, flags) in enumerate(wanted):
            shmid = self.segments + nth
            if space.shm_create(holder, shmid, 0, size, abi.SHM_HUGETLB | flags) == 0:
                space.sys_shmat(holder, shmid, (nth + 1) << 32, 0)
                space.shm_remove(shmid)

    # Processes.

    def _fork(self, process: Process, call: Call, with_details: bool) -> list[Outcome]:
        task = self.space.task_alloc(process.task)
        mm = self.space.dup_mmap(process.mm, task)
        parent = self._outcome(call.slot, min(mm, 1), process.mm, with_details)
        if mm < 0:
            return [parent]
        (child,) = call.args
        self.processes[child] = Process(task, mm, dict(process.files))
        return [parent, self._outcome(child, 0, mm, with_details)]

    # Calls that need more than their numbers.

    def _mmap(self, process: Process, call: Call) -> int:
        addr, length, prot, flags, descriptor, offset = call.args
        descriptor &= 0xFFFFFFFF
        file = process.files.get(descriptor, 0)
        return self.space.sys_mmap(process.mm, addr, length, prot, flags, file, offset)

    def _prctl(self, process: Process, call: Call) -> int:
        _, option, addr, size = call.args
        name = None if call.text is None else call.text.decode("latin-1")
        return self.space.sys_prctl_set_vma(process.mm, option, addr, size, name)

    def _setrlimit(self, process: Process, call: Call) -> int:
        which, soft, hard = call.args
        task = self.space.view("task_struct", process.task)
        limits = self.space.view("signal_struct", task.signal)
        if soft > hard:
            return -errno.EINVAL
        raises = hard > limits.get("rlim_max", which)
        if raises and not self.space.capable(process.mm, CAP_SYS_RESOURCE):
            return -errno.EPERM
        limits.put("rlim_cur", soft, which)
        limits.put("rlim_max", hard, which)
        return 0

    def _capset(self, process: Process, call: Call) -> int:
        (kept,) = call.args
        task = self.space.view("task_struct", process.task)
        cred = self.space.view("cred", task.cred)
        if kept & ~cred.cap_effective:
            return -errno.EPERM
        cred.cap_effective = kept
        return 0

    def _personality(self, process: Process, call: Call) -> int:
        task = self.space.view("task_struct", process.task)
        before = task.get("personality")
        task.put("personality", call.args[0])
        return before

    def _mbind(self, process: Process, call: Call) -> int:
        addr, length, mode, mask, most, flags = call.args
        nodes = mask & ((1 << (most - 1)) - 1) if most else 0
        return self.space.sys_mbind(process.mm, addr, length, mode, mask, most, flags, nodes)

    def _mseal(self, process: Process, call: Call) -> int:
        if not isinstance(self.space, Space618):
            return -errno.ENOSYS
        return self.space.sys_mseal(process.mm, *call.args)

    # Files.

    def _userfaultfd(self, process: Process, call: Call) -> int:
        file = self.space.open_file(WATCHER, 0, ANON_INODES, 0, abi.O_RDWR, FILE_NO_MMAP, 0)
        return self._install(process, file)

    def _uffdio_api(self, process: Process, call: Call) -> int:
        process.watchers.add(call.args[0])
        return 0

    def is_watcher(self, slot: int, descriptor: int) -> bool:
        """Whether the descriptor of the process is one of userfaultfd."""
        file = self.processes[slot].files.get(descriptor, 0)
        return file != 0 and self.space.file_path(file) == WATCHER

    def watches(self, slot: int, descriptor: int) -> bool:
        """Whether the descriptor of the process is ready to watch its memory."""
        return descriptor in self.processes[slot].watchers

    def _uffdio_register(self, process: Process, call: Call) -> int:
        watcher, start, length, mode = call.args
        context = process.files[watcher]
        return self.space.uffdio_register(process.mm, context, start, length, mode)

    def _uffdio_unregister(self, process: Process, call: Call) -> int:
        watcher, start, length = call.args
        return self.space.uffdio_unregister(process.mm, process.files[watcher], start, length)

    def _install(self, process: Process, file: int) -> int:
        descriptor = next(n for n in range(1 << 16) if n not in process.files)
        process.files[descriptor] = file
        return descriptor

    def _open(self, process: Process, call: Call) -> int:
        path = (call.text or b"").decode()
        facts = self.file_facts(path)
        kind = FILE_SHMEM if facts.tmpfs else None
        if facts.directory or path == "/dev/null":
            kind = FILE_NO_MMAP
        file = self.space.open_file(
            path, facts.major, facts.minor, facts.inode, call.args[0], kind, facts.size
        )
        if kind != FILE_NO_MMAP:
            self._fill_cache(self.space.view("file", file).f_inode, facts)
        return self._install(process, file)

    def _fill_cache(self, inode: int, facts: FileFacts) -> None:
        """The files were written a moment ago: all their pages are cached."""
        for index in range((facts.size + abi.PAGE - 1) // abi.PAGE):
            if self.space.find_get_page(inode, index) == 0:
                self.space.read_page(inode, index, facts.tmpfs)

    def _memfd_create(self, process: Process, call: Call) -> int:
        name = f"/memfd:{(call.text or b'').decode()} (deleted)"
        if call.args[0] & abi.MFD_HUGETLB:
            shift = abi.HUGE.bit_length() - 1
            return self._install(process, self.space.hugetlb_file_setup(name, 0, shift))
        return self._install(process, self.space.shmem_file_setup(name, 0, 0))

    def _ftruncate(self, process: Process, call: Call) -> int:
        descriptor, size = call.args
        file = process.files[descriptor]
        if self.space.view("file", file).f_op == self.space.file_ops[FILE_HUGETLB, AREA_HUGE_2M]:
            return self.space.huge.truncate(self.space.view("file", file).f_inode, size)
        self.space.truncate(self.space.view("file", file).f_inode, size)
        return 0

    def _fcntl(self, process: Process, call: Call) -> int:
        descriptor, command, seals = call.args
        if command != abi.F_ADD_SEALS:
            raise ValueError(f"fcntl command {command} is not compared")
        inode = self.space.view("inode", self.space.view("file", process.files[descriptor]).f_inode)
        if seals & abi.F_SEAL_WRITE and inode.i_mmap_writable:
            return -errno.EBUSY
        inode.i_seals |= seals
        return 0

    def is_memfd(self, slot: int, descriptor: int) -> bool:
        """Whether the descriptor of the process is open, on a memfd."""
        file = self.processes[slot].files.get(descriptor, 0)
        return file != 0 and self.space.file_path(file).startswith("/memfd:")
