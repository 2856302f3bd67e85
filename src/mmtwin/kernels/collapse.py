"""Calls on areas of some 2 MiB each, in runs where MADV_COLLAPSE makes huge pages of them."""

from __future__ import annotations

from random import Random
from typing import Final

from mmtwin.kernels import abi
from mmtwin.kernels.abi import HUGE, PAGE, TOP
from mmtwin.kernels.calls import Call
from mmtwin.kernels.maps import Area
from mmtwin.kernels.options import Options, Process

ARENA: Final = 0x40000000
ARENA_PAGES: Final = 6
"""Where the areas lie, in huge pages: few places, so that they become neighbours."""
FILE_PAGES: Final = (0, 300, 512, 700, 1024, 1200)
"""Sizes of files in memory, in small pages."""
SMALL_MOST: Final = 8
"""Calls that prepare an area of small pages."""
HUGEPAGE, NOHUGEPAGE, COLD, PAGEOUT = 14, 15, 20, 21
ADVICE: Final = (4, 4, 8, 9, 9, COLD, PAGEOUT, 22, 23, HUGEPAGE, NOHUGEPAGE, NOHUGEPAGE, 0, 3)
"""madvise: what takes pages away, brings them, or says whether they may be huge."""


class CollapseCalls:
    """Draws these calls; what they need is the generator's."""

    random: Random
    options: Options
    processes: dict[int, Process]
    small_files: list[int]
    """Descriptors of files in memory that huge pages are made in."""
    waiting: list[Call]
    """Calls that are to come next."""

    def collapse_opening(self, descriptor: int) -> list[Call]:
        """A file in memory."""
        size = self.random.choice(FILE_PAGES) * PAGE + self.random.choice([0, 0, 100])
        self.small_files.append(descriptor)
        return [Call(1, "memfd_create", (0,), b"c"), Call(1, "ftruncate", (descriptor, size))]

    def collapse_place(self, space: list[Area]) -> tuple[int, int]:
        """A range in the arena: most often whole huge pages, or a few small ones."""
        random = self.random
        at = ARENA + random.randrange(ARENA_PAGES) * HUGE
        there = [area for area in space if ARENA <= area.start < ARENA + 2 * ARENA_PAGES * HUGE]
        if there and random.random() < 0.8:
            area = random.choice(there)
            at = area.start + random.randrange(area.pages) * PAGE
            if random.random() < 0.7:
                at &= -HUGE
        if random.random() < 0.6:
            return at, HUGE * random.choice([1, 1, 1, 2, 3])
        at += PAGE * random.choice([0, 0, 1, 5, 16, 255, 256, 500, 511])
        return at, PAGE * random.choice([1, 1, 2, 16, 40, 256, 511, 512, 513])

    def _collapse_map(self, slot: int, space: list[Area]) -> Call:
        random = self.random
        flags = random.choice([abi.MAP_PRIVATE, abi.MAP_PRIVATE, abi.MAP_SHARED, abi.MAP_SHARED])
        for bit, chance in (
            (abi.MAP_NORESERVE, 0.05),
            (abi.MAP_POPULATE, 0.1),
            (abi.MAP_LOCKED, 0.05),
            (abi.MAP_FIXED, 0.9),
        ):
            if random.random() < chance:
                flags |= bit
        at = ARENA + random.randrange(ARENA_PAGES) * HUGE
        length = HUGE * random.choice([1, 1, 2, 2, 3])
        if random.random() < 0.15:
            at += PAGE * random.choice([-1, 1, 256])
            length += PAGE * random.choice([-1, 0, 1, 256])
        protection = random.choice([3, 3, 3, 3, 3, 1, 7])
        if self.small_files and random.random() < 0.45:
            offset = random.choice([0, 0, 0, 0, HUGE, PAGE, 256 * PAGE])
            file = random.choice(self.small_files)
            return Call(slot, "mmap", (at, length, protection, flags, file, offset))
        flags |= abi.MAP_ANONYMOUS
        return Call(slot, "mmap", (at, length, protection, flags, TOP, 0))

    def _collapse_small(self, slot: int, space: list[Area]) -> Call:
        """Memory of small pages, written in a pattern; it may be huge ones afterwards."""
        random = self.random
        call = self._collapse_map(slot, space)
        at, length = call.args[:2]
        self.waiting.append(Call(slot, "madvise", (at, length, NOHUGEPAGE)))
        step = random.choice([HUGE, HUGE, 64 * PAGE, 200 * PAGE])
        for place in range(at, at + length, step):
            size = random.choice([PAGE, 16 * PAGE, step])
            if random.random() < 0.8:
                self.waiting.append(Call(slot, "touch", (place, size, random.choice([0, 1, 1]))))
        self.waiting = self.waiting[:SMALL_MOST]
        self.waiting.append(Call(slot, "madvise", (at, length, HUGEPAGE)))
        return call

    def _collapse_use(self, slot: int, space: list[Area]) -> Call:
        random = self.random
        if not any(ARENA <= area.start < ARENA + ARENA_PAGES * HUGE for area in space):
            return self._collapse_small(slot, space)
        at, length = self.collapse_place(space)
        draw = random.random()
        if draw < 0.32:
            return Call(slot, "touch", (at, length, random.choice([0, 1, 1])))
        if draw < 0.58:
            return Call(slot, "madvise", (at & -HUGE, max(length, HUGE), abi.MADV_COLLAPSE))
        if draw < 0.60:
            return Call(slot, "madvise", (at, length, abi.MADV_COLLAPSE))
        if draw < 0.77:
            return Call(slot, "madvise", (at, length, random.choice(ADVICE)))
        if draw < 0.81:
            return Call(slot, "munmap", (at, length))
        if draw < 0.88:
            return Call(slot, "mprotect", (at, length, random.choice([0, 1, 1, 3, 3])))
        if draw < 0.90:
            return Call(slot, random.choice(["mlock", "munlock"]), (at, length))
        if draw < 0.92:
            return Call(slot, "mincore", (at, min(length, HUGE)))
        if draw < 0.94:
            name = random.choice(["process_vm_readv", "process_vm_writev"])
            return Call(slot, name, (at, 8))
        if draw < 0.96 and slot == 1 and self.small_files:
            size = random.choice(FILE_PAGES) * PAGE + random.choice([0, 0, 100])
            return Call(slot, "ftruncate", (random.choice(self.small_files), size))
        flags = random.choice([1, 3, 3])
        target = ARENA + random.randrange(2 * ARENA_PAGES) * HUGE
        target += random.choice([0, 0, PAGE]) if flags == 3 else 0
        new = random.choice([length, length, HUGE, length + PAGE])
        return Call(slot, "mremap", (at, length, new, flags, target))
