"""Work for a guest that asks the page allocator for every kind of page: random, by seed.

Calls of a few processes: anonymous memory, huge pages, files of tmpfs, pipes, sockets, many
small files, forks. How much is in use stays below a share of the guest's memory.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from mmtwin.kernels.calls import Call

PAGE = 4096
AREA = 1 << 30
"""Bytes between the places of a process's areas."""
BASE = 0x10_0000_0000
AREAS = 8
LEAST_IN_USE = 0.8
"""Of the budget; below, more is taken than given back."""
PROT = 3
MAP_PRIVATE, MAP_ANONYMOUS, MAP_FIXED, MAP_POPULATE = 2, 0x20, 0x10, 0x8000
FLAGS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
MADV_DONTNEED, MADV_HUGEPAGE, MADV_NOHUGEPAGE = 4, 14, 15
O_RDWR, O_CREAT, O_NONBLOCK = 2, 0o100, 0o4000
AF_UNIX, SOCK_STREAM = 1, 1
F_SETPIPE_SZ, F_GETFL = 1031, 3
DESCRIPTORS = 48
SMALL_FILES = 300


@dataclass(slots=True)
class Process:
    """One process: pages of its areas by place, its descriptors' kinds and pages by number."""

    slot: int
    areas: dict[int, int] = field(default_factory=dict)
    files: dict[int, int] = field(default_factory=dict)

    @property
    def pages(self) -> int:
        """Pages in use at most."""
        return sum(self.areas.values()) + sum(self.files.values())


class Workload:
    """An endless stream of batches of calls; ``budget`` is in pages."""

    def __init__(self, seed: int, budget: int, slots: range = range(1, 6)) -> None:
        self.choices = random.Random(seed)
        self.budget = budget
        self.processes = {slot: Process(slot) for slot in slots}
        self.spare = 15
        self.names = 0
        self.small: list[bytes] = []
        self.large = [max(1, budget // part) for part in (40, 20, 10, 6)]

    def __iter__(self) -> Iterator[list[Call]]:
        """The batches: each is carried out before the next is drawn."""
        kinds = (
            (self._map, 26),
            (self._unmap, 18),
            (self._discard, 8),
            (self._file, 12),
            (self._shrink_file, 9),
            (self._socket, 12),
            (self._pipe, 16),
            (self._small_files, 5),
            (self._remove_small_files, 4),
            (self._fork, 5),
        )
        steps, weights = zip(*kinds, strict=True)
        while True:
            process = self.choices.choice(list(self.processes.values()))
            step = self.choices.choices(steps, weights)[0]
            held = sum(one.pages for one in self.processes.values())
            if held > self.budget:
                process = max(self.processes.values(), key=lambda one: one.pages)
                step = self._unmap if process.areas else self._shrink_file
            elif held < self.budget * LEAST_IN_USE and len(process.areas) < AREAS:
                step = self.choices.choice((step, self._map))
            calls = step(process)
            if calls:
                yield calls

    def _size(self) -> int:
        """Pages of an area: mostly few, sometimes many."""
        return self.choices.choice((1, 3, 8, 17, 40, 120, 600, *self.large))

    def _map(self, process: Process) -> list[Call]:
        if len(process.areas) == AREAS:
            return self._unmap(process)
        place = self.choices.choice([nth for nth in range(AREAS) if nth not in process.areas])
        pages = self._size()
        process.areas[place] = pages
        start = BASE + place * AREA
        slot = process.slot
        advice = self.choices.choices((MADV_NOHUGEPAGE, MADV_HUGEPAGE, 0), (6, 2, 1))[0]
        calls = [Call(slot, "mmap", (start, pages * PAGE, PROT, FLAGS, (1 << 64) - 1, 0))]
        if advice:
            calls.append(Call(slot, "madvise", (start, pages * PAGE, advice)))
        first = self.choices.randrange(pages) if self.choices.random() < 0.3 else 0
        length = (pages - first) * PAGE
        return [*calls, Call(slot, "touch", (start + first * PAGE, length, 1))]

    def _unmap(self, process: Process) -> list[Call]:
        if not process.areas:
            return []
        place = self.choices.choice(list(process.areas))
        pages = process.areas.pop(place)
        return [Call(process.slot, "munmap", (BASE + place * AREA, pages * PAGE))]

    def _discard(self, process: Process) -> list[Call]:
        """Give part of an area back, and use some of it again."""
        if not process.areas:
            return []
        place = self.choices.choice(list(process.areas))
        pages = process.areas[place]
        first = self.choices.randrange(pages)
        count = self.choices.randrange(1, pages - first + 1)
        start = BASE + place * AREA + first * PAGE
        calls = [Call(process.slot, "madvise", (start, count * PAGE, MADV_DONTNEED))]
        if self.choices.random() < 0.5:
            calls.append(Call(process.slot, "touch", (start, (count + 1) // 2 * PAGE, 1)))
        return calls

    def _descriptor(self, process: Process) -> int:
        """The number that the next file gets: the lowest that is free."""
        return next(number for number in range(DESCRIPTORS + 1) if number not in process.files)

    def _file(self, process: Process) -> list[Call]:
        """A file of tmpfs with pages in it, by reservation at once."""
        number = self._descriptor(process)
        if number + 1 >= DESCRIPTORS:
            return self._shrink_file(process)
        pages = self._size()
        process.files[number] = pages
        slot = process.slot
        return [
            Call(slot, "memfd_create", (0,), b"work"),
            Call(slot, "fallocate", (number, 0, 0, pages * PAGE)),
        ]

    def _shrink_file(self, process: Process) -> list[Call]:
        """Cut a file, or close a descriptor."""
        if not process.files:
            return []
        number = self.choices.choice(list(process.files))
        pages = process.files[number]
        if pages > 8 and self.choices.random() < 0.4:
            process.files[number] = pages // 3
            return [Call(process.slot, "ftruncate", (number, pages // 3 * PAGE))]
        del process.files[number]
        return [Call(process.slot, "close", (number,))]

    def _source(self, process: Process, pages: int) -> int:
        """The start of an area of at least so many pages; 0 if there is none."""
        for place, held in process.areas.items():
            if held >= pages:
                return BASE + place * AREA
        return 0

    def _pair(self, process: Process, name: str, args: tuple[int, ...]) -> tuple[int, list[Call]]:
        """Two descriptors; the first one's number."""
        if len(process.files) + 4 >= DESCRIPTORS:
            return -1, self._shrink_file(process)
        first = self._descriptor(process)
        process.files[first] = 0
        second = self._descriptor(process)
        process.files[second] = 0
        return second, [Call(process.slot, name, args)]

    def _socket(self, process: Process) -> list[Call]:
        """A pair of sockets, one of them written to until it is full: chunks of order 3."""
        source = self._source(process, 120)
        if not source:
            return self._map(process)
        number, calls = self._pair(
            process, "socketpair", (AF_UNIX, SOCK_STREAM | O_NONBLOCK, 0, source)
        )
        if number < 0:
            return calls
        process.files[number] = 60
        return [*calls, Call(process.slot, "write", (number, source, 120 * PAGE))]

    def _pipe(self, process: Process) -> list[Call]:
        """A pipe, made large and filled."""
        pages = self.choices.choice((16, 64, 256, 1024))
        source = self._source(process, pages)
        if not source:
            return self._map(process)
        number, calls = self._pair(process, "pipe2", (source, O_NONBLOCK))
        if number < 0:
            return calls
        process.files[number] = pages
        return [
            *calls,
            Call(process.slot, "fcntl", (number, F_SETPIPE_SZ, pages * PAGE)),
            Call(process.slot, "write", (number, source, pages * PAGE)),
        ]

    def _small_files(self, process: Process) -> list[Call]:
        """Many files with nothing in them: inodes, names, slabs that can be reclaimed."""
        if len(self.small) > 20 * SMALL_FILES:
            return self._remove_small_files(process)
        number = self._descriptor(process)
        calls = []
        for _ in range(self.choices.randrange(20, SMALL_FILES)):
            self.names += 1
            name = b"/small-%d" % self.names
            self.small.append(name)
            calls.append(Call(process.slot, "open", (O_RDWR | O_CREAT, 0o600), name))
            calls.append(Call(process.slot, "close", (number,)))
        return calls

    def _remove_small_files(self, process: Process) -> list[Call]:
        count = min(len(self.small), self.choices.randrange(20, SMALL_FILES))
        self.choices.shuffle(self.small)
        gone = [self.small.pop() for _ in range(count)]
        return [Call(process.slot, "unlink", (), name) for name in gone]

    def _fork(self, process: Process) -> list[Call]:
        """A child that writes to some of its memory and ends."""
        calls = [Call(process.slot, "fork", (self.spare,))]
        for place, pages in process.areas.items():
            count = min(pages, 200)
            if self.choices.random() < 0.6:
                calls.append(Call(self.spare, "touch", (BASE + place * AREA, count * PAGE, 1)))
        return [*calls, Call(self.spare, "exit")]
