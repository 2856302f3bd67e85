"""Settling: what the record does not tell, chosen so that the step agrees with it.

A trace tells calls, not what programs do to their memory in between, nor in which order the
kernel took two threads' calls. Where a step disagrees, each thing that the record leaves open is
tried in turn from the state before the step. Only these are tried; nothing is taken over from the
record that could not have been so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from mmtwin.memory.view import View
from mmtwin.replay.processes import Unpredictable
from mmtwin.space import flags as c
from mmtwin.trace import calls
from mmtwin.trace.maps import parse_maps
from mmtwin.trace.records import Call, Record

if TYPE_CHECKING:
    from mmtwin.replay.replay import Replay

PAGE = 4096
SIBLINGS_AHEAD = 64
"""Records to look ahead for calls of other threads of the same address space."""
SIBLINGS_MOST = 3
NEIGHBOURS_MOST = 4
DESCRIPTOR_ERRORS = frozenset({-1, -9, -13, -19, -22, -26})
"""EPERM, EBADF, EACCES, ENODEV, EINVAL, ETXTBSY: what an mmap of a file owes to its descriptor."""

Adjustment = tuple[str, Callable[[], None]]


class Settler:
    """Tries what the record leaves open. One per replay."""

    def __init__(self, replay: Replay) -> None:
        self.replay = replay
        self.early: dict[int, int | None] = {}
        """Results of calls carried out before their turn, by the record's line."""

    def settle(self, record: Record, mark: int) -> str | None:
        """Make the step that began at ``mark`` agree; why it can be so, None if it cannot.

        If it cannot, memory is left wherever the last attempt brought it.
        """
        if not isinstance(record, Call):
            return None
        memory = self.replay.twin.memory
        memory.rewind(mark)
        grown = self._stacks_grown(record)
        for reason, adjust in self._adjustments(record, bool(grown)):
            memory.rewind(mark)
            early = dict(self.early)
            for address in grown:
                self._touch(record.pid, address)
            adjust()
            if self._agrees(record):
                return reason
            self.early = early
        return None

    def _agrees(self, record: Call) -> bool:
        try:
            return self.replay.attempt(record).agrees
        except Unpredictable:
            return False

    def _adjustments(self, record: Call, grown: bool) -> Iterator[Adjustment]:
        if grown:
            yield "the stack grew between two calls", _nothing
        yield from self._siblings_first(record)
        if record.op == calls.MMAP and record.file is not None:
            yield "another open of the same file", self._other_description
        yield from self._faulted(record)
        if record.op == calls.MMAP and self._no_base(record):
            yield "exec's random mmap base, first seen here", lambda: self._set_base(record)

    # The stack: grown by faults that no call shows.

    def _stacks_grown(self, record: Call) -> list[int]:
        """New lowest addresses of areas that grow down, as the maps after the call show them."""
        if not record.maps:
            return []
        recorded = {line.end: line.start for line in parse_maps(record.maps)}
        grown = []
        for area in self._areas(record.pid):
            start, end = area.get("vm_start"), area.get("vm_end")
            if area.get("vm_flags") & c.VM_GROWSDOWN and recorded.get(end, start) < start:
                grown.append(recorded[end])
        return grown

    # Calls of other threads: the kernel may have taken them in another order than their ends.

    def _siblings_first(self, record: Call) -> Iterator[Adjustment]:
        processes = self.replay.processes
        mm = processes.mm(record.pid)
        siblings: list[Call] = []
        for later in self.replay.feed.ahead(SIBLINGS_AHEAD):
            if len(siblings) == SIBLINGS_MOST:
                break
            if not isinstance(later, Call) or later.pid == record.pid or later.line in self.early:
                continue
            if self.replay.twin.pids.find(later.pid) and processes.mm(later.pid) == mm:
                siblings.append(later)
        for count in range(1, len(siblings) + 1):
            for chosen in combinations(siblings, count):
                if len({call.pid for call in chosen}) == count:
                    yield (
                        "another thread's call came first",
                        lambda chosen=chosen: self._carry_out_early(chosen),  # type: ignore[misc]
                    )
                    yield (
                        "another thread's call came before the maps were read",
                        lambda chosen=chosen: self._carry_out_late(record, chosen),  # type: ignore[misc]
                    )

    def _carry_out_early(self, chosen: tuple[Call, ...]) -> None:
        for call in chosen:
            self.early[call.line] = self.replay.processes.carry_out(call)

    def _carry_out_late(self, record: Call, chosen: tuple[Call, ...]) -> None:
        self.early[record.line] = self.replay.processes.carry_out(record)
        self._carry_out_early(chosen)

    # Faults: a write gives an area an anon_vma, and that decides merges.

    def _faulted(self, record: Call) -> Iterator[Adjustment]:
        """Each way in which areas next to the call's range may have been written before it."""
        first = record.args[0] & ~(PAGE - 1)
        length = record.args[1]
        if record.op == calls.MMAP and record.ret is not None and record.ret > 0:
            first = record.ret
        if record.op == calls.BRK:
            first, length = record.args[0], PAGE
        last = first + length
        clean = [
            area.get("vm_start")
            for area in self._areas(record.pid)
            if area.get("vm_start") <= last + PAGE
            and area.get("vm_end") + PAGE >= first
            and not area.get("anon_vma")
            and area.get("vm_flags") & (c.VM_WRITE | c.VM_SHARED) == c.VM_WRITE
        ][:NEIGHBOURS_MOST]
        for count in range(1, len(clean) + 1):
            for chosen in combinations(clean, count):
                yield (
                    "which areas were written to is not recorded",
                    lambda chosen=chosen: self._touch(record.pid, *chosen),  # type: ignore[misc]
                )

    def _touch(self, pid: int, *addresses: int) -> None:
        for address in addresses:
            self.replay.processes.space.touch(self.replay.processes.mm(pid), address, 1, True)

    # Descriptors.

    def _other_description(self) -> None:
        self.replay.processes.files.generation += 1

    # The mmap base of a program without an interpreter.

    def _no_base(self, record: Call) -> bool:
        processes = self.replay.processes
        known = processes.space.mmap_base_known(processes.mm(record.pid))
        return not known and record.ret is not None and record.ret > 0

    def _set_base(self, record: Call) -> None:
        pages = (record.args[1] + PAGE - 1) & ~(PAGE - 1)
        view = self.replay.processes.view(self.replay.processes.mm(record.pid))
        view.mmap_base = (record.ret or 0) + pages

    def _areas(self, pid: int) -> Iterator[View]:
        """The VMAs of a thread's address space, lowest first."""
        twin = self.replay.twin
        for vma in list(twin.space.vmas(self.replay.processes.mm(pid))):
            yield View(twin.memory, twin.layouts.vm_area_struct, vma)


def _nothing() -> None:
    """Change nothing before the next attempt."""
