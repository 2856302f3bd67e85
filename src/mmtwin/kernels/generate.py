"""Random memory calls that know what matters: neighbours, boundaries, limits, touched pages, forks.

A call is drawn from one seeded stream and from the address space as it is (the text of maps), so a
run is its seed. No call changes ``[keep_start, keep_end)``, where the code that makes the calls
lives, and none faults more than some megabytes in.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from mmtwin.kernels import abi
from mmtwin.kernels.abi import HUGE, INFINITY, PAGE, TOP
from mmtwin.kernels.calls import Call
from mmtwin.kernels.collapse import CollapseCalls
from mmtwin.kernels.huge import MEMFD_PAGES, HugeCalls
from mmtwin.kernels.maps import Area, areas
from mmtwin.kernels.options import Options, Process, Start
from mmtwin.kernels.ranges import HUGE_ARENA, Ranges
from mmtwin.kernels.rarer import Rarer
from mmtwin.kernels.safety import TOUCH_MOST, bounded, collapses, reaches

COLLAPSES: Final = 0.4
"""So many runs make huge pages by MADV_COLLAPSE, where it is asked for."""
Kind = Callable[[int, list[Area]], Call | None]


class Generator(Rarer, HugeCalls, CollapseCalls):
    """Draws the calls of one run."""

    def __init__(self, random: Random, options: Options) -> None:
        self.random = random
        self.options = options
        self.task_size = options.machine.task_size
        self.ranges = Ranges(random, options.huge, options.machine)
        self.processes = {1: Process(brk=options.keep_end)}
        self.huge_files = []
        self.huge_segments = range(0)
        self.small_files = []
        self.waiting = []
        self.collapses = False
        """Is this a run that makes huge pages by MADV_COLLAPSE?"""
        self.strict = False
        """Overcommit mode 2: no files in memory, whose pages are charged one by one."""
        self.loose = False
        """Mode 1: no break at the end of memory, over which s390x's 6.1 falls at exit."""
        table: list[tuple[Kind, float]] = [
            (self._mmap, 34),
            (self._munmap, 11),
            (self._mprotect, 16),
            (self._touch, 13),
            (self._mremap, 12),
            (self._madvise, 11),
            (self._mlock, 6),
            (self._mlockall, 1),
            (self._brk, 5),
            (self._msync, 1),
            (self._mincore, 0.5),
            (self._remap_file_pages, 1.5),
            (self._prctl, 0.5),
            (self._setrlimit, 0.7),
            (self._shmat, 2 if options.segments else 0),
            (self._shmdt, 1 if options.segments else 0),
            (self._fork, 1.2 if options.forks else 0),
            (self._exit, 0.8 if options.forks else 0),
            (self._mseal, 0.6 if options.seals else 0.05),
            (self._mbind, 1),
            (self._pkey, 0.1),
            (self._process_madvise, 1),
            (self._process_vm, 1.5),
            (self._userfaultfd, 3 if options.watches else 0),
        ]
        self._kinds = [kind for kind, _ in table]
        self._weights = [weight for _, weight in table]

    def start(self) -> Start:
        """How this run's process is to be started."""
        random = self.random
        if self.options.huge_pool and random.random() < 0.25:
            self._kinds += [self._huge_map, self._huge_use, self._fork, self._exit]
            self._weights += [15, 70, 3, 2]
            self.huge_files.append(0)
            segments = self.draw_huge_segments()
            if segments:
                self._kinds += [self._huge_attach, self._shmdt]
                self._weights += [25, 8]
            return Start(
                huge_pages=random.randint(1, 5),
                huge_surplus=random.choice([0, 0, 1, 2]),
                huge_segments=segments,
            )
        if self.options.collapses and random.random() < COLLAPSES:
            self.collapses = True
            self._kinds += [self._collapse_map, self._collapse_small, self._collapse_use]
            self._kinds += [self._fork, self._exit]
            self._weights += [30, 40, 900, 20, 10]
            return Start()
        draw = random.random()
        if self.options.own_machine and draw < 0.3:
            return Start(max_map_count=random.randint(8, 20))
        if self.options.own_machine and draw < 0.5:
            self.strict = random.random() < 0.8
            self.loose = not self.strict
            if self.loose:
                return Start(overcommit=1)
            return Start(overcommit=2, spare=random.choice([0, 50, 600, 1100, 1500, 3000, 9000]))
        if random.random() < 0.85:
            return Start()
        persona = abi.ADDR_COMPAT_LAYOUT if random.random() < 0.5 else 0
        limit = random.choice([None, 16 << 10, 100 << 20, 1 << 30, 1 << 46, INFINITY])
        return Start(persona, limit)

    def opening(self) -> list[Call]:
        """The first calls: descriptors, capabilities, limits, personality."""
        random, process = self.random, self.processes[1]
        calls: list[Call] = []
        if self.huge_files:
            size = HUGE * random.choice([0, 1, MEMFD_PAGES])
            calls.append(Call(1, "memfd_create", (abi.MFD_HUGETLB,), b"huge"))
            calls.append(Call(1, "ftruncate", (process.next_descriptor, size)))
            process.next_descriptor += 1
        if self.collapses:
            calls += self.collapse_opening(process.next_descriptor)
            process.next_descriptor += 1
        for _ in range(random.choice([0, 1, 2, 2, 3, 4])):
            call = self._open()
            calls.append(call)
            if call.name == "memfd_create":
                size = random.choice([0, 1, 4, 16]) * PAGE
                descriptor = process.next_descriptor
                calls.append(Call(1, "ftruncate", (descriptor, size)))
                if call.args[0] & abi.MFD_ALLOW_SEALING:
                    seals = random.choice([abi.F_SEAL_WRITE, abi.F_SEAL_FUTURE_WRITE, 0x18, 6])
                    calls.append(Call(1, "fcntl", (descriptor, abi.F_ADD_SEALS, seals)))
            process.descriptors.append(process.next_descriptor)
            process.next_descriptor += 1
        limited = random.random() < 0.3
        if limited:
            # The right to lock without limit hides most limits.
            kept = self.options.capabilities & ~(1 << abi.CAP_IPC_LOCK)
            if random.random() < 0.3:
                kept &= ~(1 << abi.CAP_SYS_RAWIO)
            if random.random() < 0.3:
                kept &= ~(1 << abi.CAP_SYS_NICE)
            if self.strict:
                kept &= ~(1 << abi.CAP_SYS_ADMIN)
            calls.append(Call(1, "capset", (kept,)))
        while random.random() < (0.6 if limited else 0.05):
            calls.append(self._setrlimit(1, []))
        if self.options.watches and random.random() < 0.3:
            calls.append(Call(1, "userfaultfd", (abi.O_CLOEXEC,)))
            calls.append(Call(1, "uffdio_api", (process.next_descriptor,)))
            process.watchers.append(process.next_descriptor)
            process.next_descriptor += 1
        if random.random() < 0.04:
            persona = abi.ADDR_NO_RANDOMIZE | abi.READ_IMPLIES_EXEC
            calls.append(Call(1, "personality", (persona,)))
        return calls

    def next(self, maps: dict[int, str]) -> Call:
        """The next call; ``maps`` holds the text of every process alive, by slot."""
        slots = sorted(maps)
        for slot in self.processes.keys() - maps.keys():
            del self.processes[slot]
        while True:
            slot = self.random.choice(slots)
            space = list(areas(maps[slot]))
            if self.waiting and self.waiting[0].slot not in maps:
                self.waiting.clear()
            (kind,) = self.random.choices(self._kinds, self._weights)
            call = self.waiting.pop(0) if self.waiting else kind(slot, space)
            if call is None:
                continue
            whole = self.in_huge_pages(call) if self.huge_files else call
            if reaches(whole, self.options.keep_start, self.options.keep_end):
                continue
            if self.huge_files and self.moves_badly(call, space):
                continue
            if not self.options.collapses and collapses(call):
                continue
            if bounded(call, space, self.options.keep_end, self.task_size):
                return call

    # The calls.

    def _open(self) -> Call:
        random, files = self.random, self.options.files
        draw = random.random()
        if draw < 0.45 and files:
            path = random.choice(files)
            mode = random.choice([abi.O_RDWR] * 4 + [abi.O_RDONLY] * 2 + [abi.O_WRONLY])
            return Call(1, "open", (mode,), path.encode())
        if draw < 0.75 and not self.strict:
            flags = abi.MFD_ALLOW_SEALING if random.random() < 0.15 else 0
            return Call(1, "memfd_create", (flags,), random.choice([b"a", b"b"]))
        if draw < 0.9:
            return Call(1, "open", (random.choice([abi.O_RDWR, abi.O_RDONLY]),), b"/dev/zero")
        if draw < 0.95:
            return Call(1, "open", (abi.O_RDONLY,), b"/")
        return Call(1, "open", (abi.O_RDWR,), b"/dev/null")

    def _descriptor(self, slot: int) -> int:
        process = self.processes[slot]
        if process.descriptors and self.random.random() < 0.97:
            return self.random.choice(process.descriptors)
        return self.random.choice([99, TOP, 1 << 32])

    def _protection(self) -> int:
        random = self.random
        if random.random() < 0.03:
            return random.choice([8, 0x10, 0x40, 0x1000003, 0x2000001, 0x3000000, TOP, 1 << 32])
        return random.choice([3, 3, 3, 3, 3, 1, 1, 1, 0, 0, 5, 7, 2, 4, 6])

    def _mmap(self, slot: int, space: list[Area]) -> Call:
        random = self.random
        anonymous = random.random() < 0.7 or not self.processes[slot].descriptors
        flags = abi.MAP_ANONYMOUS if anonymous else 0
        draw = random.random()
        if draw < 0.76:
            flags |= abi.MAP_PRIVATE
        elif draw < 0.94:
            flags |= abi.MAP_SHARED
        elif draw < 0.97:
            flags |= abi.MAP_SHARED_VALIDATE
        else:
            flags |= random.choice([0, abi.MAP_DROPPABLE, 4, 0xF])
        for bit, chance in (
            (abi.MAP_GROWSDOWN, 0.03),
            (abi.MAP_LOCKED, 0.02),
            (abi.MAP_NORESERVE, 0.04),
            (abi.MAP_POPULATE, 0.04),
            (abi.MAP_NONBLOCK, 0.01),
            (abi.MAP_STACK, 0.02),
            (abi.MAP_32BIT, 0.02),
            (abi.MAP_ABOVE4G, 0.01),
            (abi.MAP_SYNC, 0.01),
            (abi.MAP_DENYWRITE, 0.01),
            (1 << 40, 0.01),
        ):
            if random.random() < chance:
                flags |= bit
        draw = random.random()
        if draw < 0.35:
            at, length = 0, self.ranges.small_length()
        else:
            at = self.ranges.address(space)
            length = self.ranges.length(at, space)
            if draw < 0.85:
                flags |= abi.MAP_FIXED
            elif draw < 0.92:
                flags |= abi.MAP_FIXED_NOREPLACE
        at = self.ranges.spoil(at)
        descriptor, offset = TOP, 0
        if anonymous and self.options.huge_sizes and 0.35 <= draw < 0.38:
            return self._map_huge_pages(slot, flags, at)
        if not anonymous:
            descriptor = self._descriptor(slot)
            offset = self._offset(at)
        elif random.random() < 0.03:
            offset = random.choice([1, PAGE, 1 << 40])
        return Call(slot, "mmap", (at, length, self._protection(), flags, descriptor, offset))

    def _map_huge_pages(self, slot: int, flags: int, at: int) -> Call:
        """MAP_HUGETLB; what is not MAP_NORESERVE fails, as no pages are reserved."""
        random = self.random
        flags |= (
            abi.MAP_HUGETLB
            | random.choice([0, 0, 0, 16, *self.options.huge_sizes]) << abi.MAP_HUGE_SHIFT
        )
        if random.random() < 0.9:
            flags |= abi.MAP_NORESERVE
        if random.random() < 0.7:
            at = HUGE_ARENA + random.randrange(4) * HUGE
        length = random.choice([0, 1, PAGE, HUGE, HUGE, 2 * HUGE, 2 * HUGE + PAGE])
        offset = random.choice([0, 0, 0, 0, 0, PAGE, HUGE])
        return Call(slot, "mmap", (at, length, self._protection(), flags, TOP, offset))

    def _offset(self, at: int) -> int:
        """A file offset; most often one that continues a neighbour of the arena's pages."""
        random = self.random
        draw = random.random()
        if draw < 0.03:
            return random.choice([1, PAGE - 1, (1 << 63) - PAGE, 1 << 63, TOP - PAGE + 1])
        if draw < 0.5:
            return at & (64 * PAGE - PAGE)
        return PAGE * random.randrange(8)

    def _munmap(self, slot: int, space: list[Area]) -> Call:
        at = self.ranges.address(space)
        length = self.ranges.length(at, space)
        return Call(slot, "munmap", (self.ranges.spoil(at), self.ranges.spoil(length)))

    def _mprotect(self, slot: int, space: list[Area]) -> Call:
        random = self.random
        at = self.ranges.address(space) if random.random() < 0.4 else self.ranges.inside(space)
        length = self.ranges.length(at, space)
        protection = self._protection()
        if random.random() < 0.03:
            protection |= abi.PROT_GROWSDOWN
        args = (self.ranges.spoil(at), self.ranges.spoil(length), protection)
        if random.random() < 0.03:
            return Call(slot, "pkey_mprotect", (*args, random.choice([0, 1, TOP, 0xFFFFFFFF])))
        return Call(slot, "mprotect", args)

    def _touch(self, slot: int, space: list[Area]) -> Call:
        random = self.random
        grows = [
            area
            for area in space
            if area.name == "[stack]" or area.start > self.options.machine.high
        ]
        if grows and random.random() < 0.1:
            at = random.choice(grows).start - PAGE * random.choice([1, 2, 8, 255, 256, 257])
            length = PAGE
        else:
            open_to = [area for area in space if area.letters[0] == "r"]
            at = self.ranges.inside(open_to if random.random() < 0.85 else space)
            length = self.ranges.length(at, space)
            if length > TOUCH_MOST or random.random() < 0.4:
                length = PAGE
        return Call(slot, "touch", (at & TOP, length, int(random.random() < 0.75)))

    def _mremap(self, slot: int, space: list[Area]) -> Call:
        random = self.random
        at = self.ranges.inside(space) if random.random() < 0.93 else self.ranges.address(space)
        old = self.ranges.length(at, space)
        draw = random.random()
        if draw < 0.35:
            new = old
        elif draw < 0.9:
            new = old + PAGE * random.choice([-3, -2, -1, 1, 1, 2, 3, 4, 8])
            new = min(max(new, 0), TOP)
        else:
            new = self.ranges.length(at, space)
        if random.random() < 0.03:
            old = 0
        flags = random.choice([0, 0, 1, 1, 1, 1, 3, 3, 3, 3, 5, 5, 7])
        if random.random() < 0.03:
            flags = random.choice([2, 4, 6, 8, 9, 0x103])
        target = self.ranges.address(space) if flags & 6 or random.random() < 0.1 else 0
        return Call(
            slot,
            "mremap",
            (self.ranges.spoil(at), old, new, flags, self.ranges.spoil(target)),
        )

    def _madvise(self, slot: int, space: list[Area]) -> Call:
        random = self.random
        at = self.ranges.address(space) if random.random() < 0.4 else self.ranges.inside(space)
        draw = random.random()
        if draw < 0.72:
            advice = random.choice(abi.ADVICE_OF_AREAS)
        elif draw < 0.96:
            advice = random.choice(abi.ADVICE_OF_PAGES)
        else:
            advice = random.choice(abi.ADVICE_OF_NONE)
        length = self.ranges.spoil(self.ranges.length(at, space))
        return Call(slot, "madvise", (self.ranges.spoil(at), length, advice))

    def _mlock(self, slot: int, space: list[Area]) -> Call:
        random = self.random
        at = self.ranges.address(space) if random.random() < 0.4 else self.ranges.inside(space)
        args = (self.ranges.spoil(at), self.ranges.spoil(self.ranges.length(at, space)))
        name = random.choice(["mlock", "mlock", "munlock", "munlock", "mlock2"])
        if name == "mlock2":
            return Call(slot, name, (*args, random.choice([0, 1, 1, 1, 2, 3])))
        return Call(slot, name, args)

    def _mlockall(self, slot: int, space: list[Area]) -> Call:
        if self.random.random() < 0.35:
            return Call(slot, "munlockall")
        return Call(slot, "mlockall", (self.random.choice([0, 1, 2, 3, 3, 4, 5, 6, 7, 8]),))

    def _brk(self, slot: int, space: list[Area]) -> Call:
        random, process = self.random, self.processes[slot]
        base = self.options.keep_end
        draw = random.random()
        if draw < 0.05:
            odd = [0, base - PAGE] if self.loose else [0, base - PAGE, self.task_size, TOP]
            return Call(slot, "brk", (random.choice(odd),))
        if draw < 0.5:
            process.brk += PAGE * random.choice([-3, -2, -1, 1, 1, 2, 3, 5])
        elif draw < 0.6:
            process.brk += random.choice([1, 8, 100, PAGE - 1])
        elif draw < 0.65 and self.options.huge:
            process.brk = base + random.choice([HUGE, HUGE + PAGE])
        else:
            process.brk = base + PAGE * random.randrange(24)
        process.brk = max(process.brk, base)
        return Call(slot, "brk", (process.brk,))

    def _msync(self, slot: int, space: list[Area]) -> Call:
        at = self.ranges.address(space)
        length = self.ranges.length(at, space)
        flags = self.random.choice([1, 2, 4, 6, 3, 5, 8, 0])
        return Call(slot, "msync", (self.ranges.spoil(at), length, flags))

    def _mincore(self, slot: int, space: list[Area]) -> Call:
        at = self.ranges.address(space)
        length = self.ranges.length(at, space)
        if HUGE < length < self.task_size - HUGE:
            length = HUGE
        return Call(slot, "mincore", (self.ranges.spoil(at), length))

    def _remap_file_pages(self, slot: int, space: list[Area]) -> Call | None:
        random = self.random
        shared = [area for area in space if area.letters[3] == "s"]
        at = self.ranges.inside(shared if shared and random.random() < 0.9 else space)
        length = self.ranges.length(at, space)
        protection = 0 if random.random() < 0.95 else 1
        flags = random.choice([0, 0, 0, 0x10000, abi.MAP_LOCKED])
        return Call(
            slot,
            "remap_file_pages",
            (self.ranges.spoil(at), length, protection, random.randrange(8), flags),
        )

    def _prctl(self, slot: int, space: list[Area]) -> Call:
        at = self.ranges.inside(space)
        length = self.ranges.length(at, space)
        name = self.random.choice([None, b"", b"x", b"heap area", b"bad[", b"y" * 79, b"y" * 80])
        option = abi.PR_SET_VMA_ANON_NAME
        return Call(slot, "prctl", (abi.PR_SET_VMA, option, self.ranges.spoil(at), length), name)

    def _setrlimit(self, slot: int, space: list[Area]) -> Call:
        random = self.random
        resource = random.choice(
            [abi.RLIMIT_DATA, abi.RLIMIT_STACK, abi.RLIMIT_MEMLOCK, abi.RLIMIT_AS]
        )
        mapped = sum(area.pages for area in space) or 80
        pages = random.choice([0, 1, 4, 16, 33, 40, 64, mapped, mapped + 2, mapped + 20])
        hard = self.options.hard_limits.get(resource, INFINITY)
        soft = min(hard, random.choice([pages * PAGE, pages * PAGE, pages * PAGE + 100, INFINITY]))
        return Call(slot, "setrlimit", (resource, soft, hard))

    def _shmat(self, slot: int, space: list[Area]) -> Call:
        random = self.random
        segment = random.randrange(self.options.segments)
        at = 0 if random.random() < 0.3 else self.ranges.address(space)
        flags = 0
        for bit, chance in (
            (abi.SHM_RDONLY, 0.3),
            (abi.SHM_RND, 0.2),
            (abi.SHM_REMAP, 0.4),
            (abi.SHM_EXEC, 0.1),
        ):
            if random.random() < chance:
                flags |= bit
        return Call(slot, "shmat", (segment, self.ranges.spoil(at), flags))

    def _shmdt(self, slot: int, space: list[Area]) -> Call:
        attached = [area for area in space if area.name.startswith("/SYSV")]
        if attached and self.random.random() < 0.9:
            return Call(slot, "shmdt", (self.random.choice(attached).start,))
        return Call(slot, "shmdt", (self.ranges.spoil(self.ranges.address(space)),))

    def _fork(self, slot: int, space: list[Area]) -> Call | None:
        free = [n for n in range(1, self.options.most_slots + 1) if n not in self.processes]
        if not free:
            return None
        parent = self.processes[slot]
        self.processes[free[0]] = Process(
            parent.next_descriptor, list(parent.descriptors), parent.brk
        )
        return Call(slot, "fork", (free[0],))

    def _exit(self, slot: int, space: list[Area]) -> Call | None:
        if len(self.processes) < 2:
            return None
        del self.processes[slot]
        return Call(slot, "exit")
