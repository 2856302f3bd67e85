"""Calls on areas of huge pages, in runs that begin with a pool of them."""

from __future__ import annotations

from random import Random
from typing import Final

from mmtwin.kernels import abi
from mmtwin.kernels.abi import HUGE, PAGE, TOP
from mmtwin.kernels.calls import Call
from mmtwin.kernels.maps import Area
from mmtwin.kernels.options import Options, Process
from mmtwin.kernels.safety import in_whole

ARENA: Final = 0x30000000
ARENA_PAGES: Final = 6
"""Where huge pages are mapped: few places, so that areas become neighbours."""
MEMFD_PAGES: Final = 3
SEGMENT_PAGES: Final = 3
NAMES: Final = ("/anon_hugepage (deleted)", "/memfd:huge (deleted)")
SEGMENT: Final = "/SYSV00000000 (deleted)"
SHMEM_DEVICE: Final = "00:01"
ADVICE: Final = (4, 4, 4, 24, 9, 9, 22, 23, 3, 10, 11, 8, 21)
"""madvise: DONTNEED, REMOVE and populate above all."""


def is_huge(area: Area) -> bool:
    """Does the area consist of huge pages? Segments of small ones are on shared memory's device."""
    return area.name in NAMES or (area.name == SEGMENT and area.device != SHMEM_DEVICE)


class HugeCalls:
    """Draws these calls; what they need is the generator's."""

    random: Random
    options: Options
    processes: dict[int, Process]
    huge_files: list[int]
    """Descriptors of files of huge pages."""
    huge_segments: range
    """Places of the segments of huge pages among the segments."""

    def draw_huge_segments(self) -> tuple[tuple[int, int], ...]:
        """Bytes and flags of the segments that the run begins with."""
        random = self.random
        first, count = self.options.segments, random.choice([0, 1, 1, 2])
        self.huge_segments = range(first, first + count)
        return tuple(
            (
                HUGE * random.randint(1, SEGMENT_PAGES) - random.choice([0, 0, PAGE, 1]),
                random.choice([0, 0, abi.SHM_NORESERVE]),
            )
            for _ in self.huge_segments
        )

    def _huge_attach(self, slot: int, space: list[Area]) -> Call:
        """shmat of a segment of huge pages, most often to where it can be."""
        random = self.random
        at = ARENA + random.randrange(ARENA_PAGES) * HUGE
        at += random.choice([0] * 8 + [PAGE, HUGE // 2 + 1])
        flags = 0
        for bit, chance in (
            (abi.SHM_RDONLY, 0.2),
            (abi.SHM_RND, 0.2),
            (abi.SHM_REMAP, 0.5),
            (abi.SHM_EXEC, 0.1),
        ):
            if random.random() < chance:
                flags |= bit
        if random.random() < 0.1:
            at = 0
        return Call(slot, "shmat", (random.choice(self.huge_segments), at, flags))

    def huge_place(self, space: list[Area]) -> tuple[int, int]:
        """A range that begins in an area of huge pages, most often whole huge pages."""
        random = self.random
        huge = [area for area in space if is_huge(area)]
        at = ARENA + random.randrange(ARENA_PAGES) * HUGE
        if huge and random.random() < 0.9:
            area = random.choice(huge)
            at = area.start + random.randrange((area.end - area.start) // HUGE) * HUGE
        length = HUGE * random.choice([1, 1, 1, 2, 3])
        draw = random.random()
        if draw < 0.1:
            length = random.choice([1, PAGE, HUGE - PAGE, HUGE + PAGE])
        elif draw < 0.15:
            at += random.choice([PAGE, HUGE - PAGE, HUGE // 2])
        return at, length

    def _huge_map(self, slot: int, space: list[Area]) -> Call:
        random = self.random
        flags = random.choice([abi.MAP_PRIVATE, abi.MAP_PRIVATE, abi.MAP_SHARED])
        for bit, chance in (
            (abi.MAP_NORESERVE, 0.15),
            (abi.MAP_POPULATE, 0.1),
            (abi.MAP_LOCKED, 0.05),
            (abi.MAP_FIXED, 0.8),
        ):
            if random.random() < chance:
                flags |= bit
        at = ARENA + random.randrange(ARENA_PAGES) * HUGE
        length = HUGE * random.choice([1, 1, 2, 2, 3, 4])
        protection = random.choice([3, 3, 3, 3, 1, 0, 7])
        if self.huge_files and random.random() < 0.4:
            offset = HUGE * random.randrange(MEMFD_PAGES + 1)
            file = random.choice(self.huge_files)
            return Call(slot, "mmap", (at, length, protection, flags, file, offset))
        flags |= abi.MAP_ANONYMOUS | abi.MAP_HUGETLB
        return Call(slot, "mmap", (at, length, protection, flags, TOP, 0))

    def _huge_use(self, slot: int, space: list[Area]) -> Call:
        random = self.random
        at, length = self.huge_place(space)
        draw = random.random()
        if draw < 0.5:
            long = random.random() < 0.4
            return Call(slot, "touch", (at, length if long else PAGE, random.choice([0, 1, 1])))
        if draw < 0.7:
            return Call(slot, "madvise", (at, length, random.choice(ADVICE)))
        if draw < 0.82:
            return Call(slot, "munmap", (at, length))
        if draw < 0.92:
            return Call(slot, "mprotect", (at, length, random.choice([0, 1, 3, 3])))
        if draw < 0.94:
            return Call(slot, "mlock", (at, length))
        if draw < 0.96:
            return Call(slot, "mincore", (at, min(length, 2 * HUGE)))
        if draw < 0.98:
            name = random.choice(["process_vm_readv", "process_vm_writev"])
            return Call(slot, name, (at, 8))
        return self._huge_move(slot, space)

    def _huge_move(self, slot: int, space: list[Area]) -> Call:
        random = self.random
        huge = [area for area in space if is_huge(area)]
        if not huge:
            return Call(slot, "look")
        area = random.choice(huge)
        length = area.end - area.start
        target = ARENA + random.randrange(2 * ARENA_PAGES) * HUGE
        new = random.choice([length, length, HUGE])
        return Call(slot, "mremap", (area.start, length, new, random.choice([1, 3, 3]), target))

    def in_huge_pages(self, call: Call) -> Call:
        """The call with what a file of huge pages makes of its length, if it maps one."""
        if call.name != "mmap" or call.args[3] & abi.MAP_ANONYMOUS:
            return call
        at, length, *rest = call.args
        return Call(call.slot, "mmap", (at, in_whole(HUGE, length) & TOP, *rest))

    def moves_badly(self, call: Call, space: list[Area]) -> bool:
        """Would the call move huge pages as no kernel should be asked to?

        A part of an area moves with the promises of the whole, which are then kept for ever; and a
        page that a child has moved makes its parent's copy of it try for ever if the pool is
        exhausted (``unmap_ref_private`` looks for it where the parent has it).
        """
        if call.name != "mremap":
            return False
        at, old = call.args[0], max(call.args[1], call.args[2])
        moved = [
            area
            for area in space
            if is_huge(area) and area.start < at + old + HUGE and area.end > at
        ]
        if len(self.processes) > 1:
            return moved != []
        return any(area.start < at or area.end > at + call.args[1] for area in moved)
