"""Settling: what the record does not tell, chosen so that the step agrees with it.

A trace tells calls, not what programs do to their memory in between, nor in which order the
kernel took two threads' calls. Where a step disagrees, each thing that the record leaves open is
tried in turn from the state before the step. Only these are tried; nothing is taken over from the
record that could not have been so.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from itertools import combinations, permutations
from typing import TYPE_CHECKING

from mmtwin.memory.view import View
from mmtwin.replay.processes import Unpredictable
from mmtwin.space import flags as c
from mmtwin.trace import calls
from mmtwin.trace.maps import MapLine, parse_maps
from mmtwin.trace.records import Call, Record, Touch

if TYPE_CHECKING:
    from mmtwin.replay.replay import Replay

PAGE = 4096
SIBLINGS_AHEAD = 256
"""Records to look ahead for calls of other threads of the same address space."""
SIBLINGS_MOST = 8
"""Threads whose next call is tried out of its turn, one, two or, after all else, three at once."""
NEIGHBOURS_MOST = 4

DELETED = " (deleted)"
OTHER_ORDER = "another thread's call came first"

TORN = "another thread's call came while the maps were read"

Adjustment = tuple[str, Callable[[], str | None]]
"""Why a step may differ, and what makes it so; the latter gives the text of the maps before a call
that came while they were read, None otherwise."""


class OtherResult(Exception):
    """A call carried out before its turn does not give the kernel's result."""


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
        files = self.replay.processes.files
        spots = self._spots(record)
        self.replay.rewind(mark)
        grown = self._stacks_grown(record)
        unlinked = self._unlinked(record)
        self.replay.rewind(mark)
        for reason, adjust in self._adjustments(record, spots, bool(grown), unlinked):
            self.replay.rewind(mark)
            early = dict(self.early)
            generation = files.generation
            for address in grown:
                self._touch(record.pid, address)
            if unlinked:
                self._unlinked(record)
            if self._agrees(record, adjust):
                return reason
            self.early = early
            files.generation = generation
        return None

    def _agrees(self, record: Call, adjust: Callable[[], str | None]) -> bool:
        try:
            before = adjust()
            outcome = self.replay.attempt(record)
        except (Unpredictable, OtherResult):
            return False
        if outcome.agrees or before is None or not record.maps:
            return outcome.agrees
        return outcome.result in (None, record.ret) and read_while_changing(
            record.maps, before, self.replay.processes.maps(record.pid)
        )

    def _adjustments(
        self, record: Call, spots: list[tuple[int, int]], grown: bool, unlinked: bool
    ) -> Iterator[Adjustment]:
        if grown:
            yield "the stack grew between two calls", _nothing
        elif unlinked:
            yield "a mapped file was unlinked", _nothing
        yield from self._siblings_first(record, range(1, 3))
        yield from self._while_read(record)
        if record.op == calls.MMAP and record.file is not None:
            yield "another open of the same file", self._other_description
        if record.op == calls.PRCTL and record.ret == -errno.EINVAL:
            yield "a kernel without names for anonymous memory", self._no_names
        near = self._near(record.pid, spots)
        yield from self._written(record.pid, near)
        yield from self._bound(record.pid, near)
        if record.op == calls.MMAP and self._no_base(record):
            yield "exec's random mmap base, first seen here", lambda: self._set_base(record)
        yield from self._siblings_first(record, range(3, 4))

    # Where the two sides differ.

    def _spots(self, record: Call) -> list[tuple[int, int]]:
        """Ranges [start, end) whose maps line only one side has; else what the call names."""
        if record.maps:
            mine = set(parse_maps(self.replay.processes.maps(record.pid)))
            theirs = set(parse_maps(record.maps))
            spots = [(line.start, line.end) for line in mine ^ theirs]
            if spots:
                return spots
        first = record.args[0] & ~(PAGE - 1)
        return [(first, first + PAGE + record.args[1] if record.op != calls.BRK else first + PAGE)]

    def _near(self, pid: int, spots: list[tuple[int, int]]) -> list[View]:
        """Private writable areas that overlap or touch a spot, lowest first."""
        return [
            area
            for area in self._areas(pid)
            if area.get("vm_flags") & (c.VM_WRITE | c.VM_SHARED | c.VM_GROWSDOWN) == c.VM_WRITE
            and any(
                area.get("vm_start") <= end and area.get("vm_end") >= start for start, end in spots
            )
        ][:NEIGHBOURS_MOST]

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

    def _siblings_first(self, record: Call, most: range) -> Iterator[Adjustment]:
        """The next calls of other threads carried out among them and the record in any order.

        A thread waits in its call until the recorder has written it down, so that only the next
        one of each can have come first.
        """
        siblings = self._siblings(record)
        for count in most:
            for chosen in combinations(siblings, count):
                for order in permutations((*chosen, record)):
                    yield (
                        OTHER_ORDER,
                        lambda order=order: self._carry_out_early(order, record),  # type: ignore[misc]
                    )

    def _siblings(self, record: Call) -> list[Call]:
        """The next call of each other thread of the address space, as far as it is near."""
        processes = self.replay.processes
        mm = processes.mm(record.pid)
        siblings: list[Call] = []
        met = {record.pid}
        for later in self.replay.feed.ahead(SIBLINGS_AHEAD):
            if len(siblings) == SIBLINGS_MOST:
                break
            if later.pid in met or isinstance(later, Touch):
                continue
            met.add(later.pid)
            if (
                isinstance(later, Call)
                and later.line not in self.early
                and self.replay.twin.pids.find(later.pid)
                and processes.mm(later.pid) == mm
            ):
                siblings.append(later)
        return siblings

    def _carry_out_early(self, order: tuple[Call, ...], record: Call) -> None:
        """Carry calls out in this order; if the record comes last, it is left for its attempt."""
        for call in order:
            if call is not record or call is not order[-1]:
                self._carry_out(call)

    def _carry_out(self, call: Call) -> None:
        """Carry a call out before its turn; its result must be the kernel's."""
        result = self.replay.processes.carry_out(call)
        if None not in (result, call.ret) and result != call.ret:
            raise OtherResult
        self.early[call.line] = result

    def _while_read(self, record: Call) -> Iterator[Adjustment]:
        """The next call of another thread in the midst of reading the maps after the record's."""
        if record.maps:
            for call in self._siblings(record):
                yield TORN, lambda call=call: self._carry_out_within(record, call)  # type: ignore[misc]

    def _carry_out_within(self, record: Call, call: Call) -> str:
        processes = self.replay.processes
        self._carry_out(record)
        before = processes.maps(record.pid)
        self._carry_out(call)
        return before

    # Faults: a write gives an area an anon_vma, and that decides merges.

    def _written(self, pid: int, near: list[View]) -> Iterator[Adjustment]:
        """Each way in which the areas may have been written to, or not, other than assumed."""
        for count in range(1, len(near) + 1):
            for chosen in combinations(near, count):
                yield (
                    "which areas were written to is not recorded",
                    lambda chosen=chosen: self._turn(pid, chosen),  # type: ignore[misc]
                )

    def _turn(self, pid: int, areas: tuple[View, ...]) -> None:
        space = self.replay.processes.space
        for area in areas:
            if area.get("anon_vma"):
                space.zap_page_range(area.address, area.get("vm_start"), area.get("vm_end"))
                space.unlink_anon_vmas(area.address)
            else:
                self._touch(pid, area.get("vm_start"))

    def _touch(self, pid: int, address: int) -> None:
        self.replay.processes.space.touch(self.replay.processes.mm(pid), address, 1, True)

    # Memory policies: mbind is no call that every recorder knows, and it decides merges too.

    def _bound(self, pid: int, near: list[View]) -> Iterator[Adjustment]:
        for count in range(1, len(near) + 1):
            for chosen in combinations(near, count):
                yield (
                    "a memory policy was set (mbind) and not recorded",
                    lambda chosen=chosen: self._bind(pid, chosen),  # type: ignore[misc]
                )

    def _bind(self, pid: int, areas: tuple[View, ...]) -> None:
        processes = self.replay.processes
        policy = self.replay.twin.memory.strings.number("mempolicy not recorded")
        for start, end in [(area.get("vm_start"), area.get("vm_end")) for area in areas]:
            processes.space.mbind_ranges(processes.mm(pid), start, end, policy)

    # Files.

    def _unlinked(self, record: Call) -> bool:
        """Take over that mapped files were unlinked meanwhile; False if none was."""
        if not record.maps:
            return False
        processes = self.replay.processes
        mine = {line.start: line for line in parse_maps(processes.maps(record.pid))}
        found = False
        for line in parse_maps(record.maps):
            known = mine.get(line.start)
            if known is not None and line.name == known.name + DELETED and known.inode:
                self._rename(processes.space.vma_lookup(processes.mm(record.pid), line.start), line)
                found = True
        return found

    def _rename(self, vma: int, line: MapLine) -> None:
        twin = self.replay.twin
        area = View(twin.memory, twin.layouts.vm_area_struct, vma)
        View(twin.memory, twin.layouts.file, area.get("vm_file")).f_path = line.name

    # The kernel's configuration.

    def _no_names(self) -> None:
        space = self.replay.processes.space
        space.view("sysctl", space.sysctl).anon_vma_name = 0

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


def read_while_changing(text: str, before: str, after: str) -> bool:
    """Whether reading the maps can have given ``text`` if they changed once meanwhile.

    A reader holds no lock from one line to the next (from 6.17 on) or from one page of text to
    the next: it goes on with the first area that ends above the last one it has told of.
    """
    lines = text.splitlines()
    told = 0
    for mine, line in zip(before.splitlines(), lines, strict=False):
        if mine != line:
            break
        told += 1
    later = [(_end(line), line) for line in after.splitlines()]
    while told:
        last = _end(lines[told - 1])
        if lines[told:] == [line for end, line in later if end > last]:
            return True
        told -= 1
    return False


def _end(line: str) -> int:
    """The end (exclusive) of a line of /proc/PID/maps."""
    return int(line[line.index("-") + 1 : line.index(" ")], 16)


def _nothing() -> None:
    """Change nothing before the next attempt."""
