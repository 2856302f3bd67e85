"""The calls that programs seldom make: seals, keys, userfaultfd, policies, other processes."""

from __future__ import annotations

from random import Random
from typing import Final

from mmtwin.kernels import abi
from mmtwin.kernels.abi import PAGE, TOP
from mmtwin.kernels.calls import Call
from mmtwin.kernels.maps import Area
from mmtwin.kernels.options import Options, Process
from mmtwin.kernels.ranges import Ranges

REACHED: Final = (1, 8, 1000, 3000)
"""Bytes that process_vm_readv and -writev move; they fit the agent's scratch page."""


class Rarer:
    """Draws these calls; what they need is the generator's."""

    random: Random
    options: Options
    ranges: Ranges
    processes: dict[int, Process]

    def _place(self, space: list[Area], inside: float = 0.6) -> tuple[int, int]:
        """A range: where and how long, in bytes; each rarely a little off."""
        ranges = self.ranges
        at = ranges.inside(space) if self.random.random() < inside else ranges.address(space)
        return ranges.spoil(at), ranges.spoil(ranges.length(at, space))

    def _mseal(self, slot: int, space: list[Area]) -> Call | None:
        flags = 0 if self.random.random() < 0.97 else 1
        return Call(slot, "mseal", (*self._place(space, 0.8), flags))

    def _mbind(self, slot: int, space: list[Area]) -> Call | None:
        random = self.random
        # Node 0 is everywhere, and the only one.
        mode = random.choice([0, 0, 1, 2, 3, 4, 5, 6, 7, 99])
        if random.random() < 0.2:
            mode |= random.choice([0x2000, 0x4000, 0x8000, 0xC000])
        mask, most = (1, 64) if mode & 0xFFF in (1, 2, 3, 5, 6) else (0, 0)
        if random.random() < 0.1:
            mask, most = random.choice([0, 1, 2, 3]), random.choice([0, 1, 2, 64])
        flags = 0 if random.random() < 0.9 else random.choice([2, 4, 8])
        return Call(slot, "mbind", (*self._place(space), mode, mask, most, flags))

    def _pkey(self, slot: int, space: list[Area]) -> Call | None:
        random = self.random
        if random.random() < 0.6:
            # Good arguments are left out: without keys, 6.18 answers EINVAL once and then ENOSPC.
            return Call(slot, "pkey_alloc", random.choice([(1, 0), (0, 8)]))
        return Call(slot, "pkey_free", (random.choice([0, 1, 2, 15, 16, TOP]),))

    def _process_madvise(self, slot: int, space: list[Area]) -> Call | None:
        random = self.random
        advice = random.choice(abi.ADVICE_OF_AREAS + abi.ADVICE_OF_PAGES + abi.ADVICE_OF_NONE)
        if random.random() < 0.4:
            advice = random.choice([3, 20, 21])
        flags = 0 if random.random() < 0.95 else 1
        return Call(slot, "process_madvise", (*self._place(space, 0.8), advice, flags))

    def _process_vm(self, slot: int, space: list[Area]) -> Call | None:
        random = self.random
        name = random.choice(["process_vm_readv", "process_vm_writev", "process_vm_writev"])
        at = self.ranges.inside(space) if random.random() < 0.9 else self.ranges.address(space)
        at += random.choice([0, 0, 8, PAGE - 8, PAGE - 1])
        return Call(slot, name, (at & TOP, random.choice(REACHED)))

    def _userfaultfd(self, slot: int, space: list[Area]) -> Call | None:
        random, process = self.random, self.processes[slot]
        if not process.watchers:
            return None
        watcher = random.choice(process.watchers)
        at, length = self._place(space, 0.8)
        if random.random() < 0.35:
            return Call(slot, "uffdio_unregister", (watcher, at, length))
        # Only this mode lets every access go on as if nobody watched.
        mode = abi.UFFD_MODE_WP if random.random() < 0.97 else random.choice([0, 8, 16])
        return Call(slot, "uffdio_register", (watcher, at, length, mode))
