"""One trace under two kernels: carried out step by step in both, up to where they part.

Where each kernel chose another address for the same mapping, the calls that follow are followed
too: their arguments are told to each side in its own addresses, and maps and trees are compared by
what they stand for. The left side is the one that the words of a report are told in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from mmtwin.machine.bug import KernelBug, KernelWarning
from mmtwin.maple.shape import Node, NotATree, decode
from mmtwin.memory.errors import BadAccess
from mmtwin.replay.feed import Feed
from mmtwin.replay.moved import Moved
from mmtwin.replay.processes import Processes, Unpredictable
from mmtwin.replay.text import call_text, result_text
from mmtwin.replay.trees import Areas, Ranges, tree_difference
from mmtwin.trace import calls
from mmtwin.trace.maps import MapLine, parse_maps
from mmtwin.trace.records import Call, Child, Exec, Record, Touch
from mmtwin.twin import Twin

Part = Literal["result", "maps", "trees"]
PARTS: tuple[Part, ...] = ("result", "maps", "trees")
ADDRESSES = {
    calls.MMAP: (0,),
    calls.MUNMAP: (0,),
    calls.MPROTECT: (0,),
    calls.BRK: (0,),
    calls.MREMAP: (0, 4),
    calls.MADVISE: (0,),
    calls.MLOCK: (0,),
    calls.MLOCK2: (0,),
    calls.MUNLOCK: (0,),
    calls.MSYNC: (0,),
    calls.PRCTL: (2,),
    calls.PKEY_MPROTECT: (0,),
    calls.REMAP_FILE_PAGES: (0,),
    calls.SHMAT: (1,),
    calls.SHMDT: (0,),
    calls.MBIND: (0,),
}
"""Which arguments are addresses of the caller's memory."""
PLACES = frozenset({calls.MMAP, calls.MREMAP, calls.SHMAT})
"""Calls whose result is an address that the kernel may choose."""
ERRORS = 4096
MAX = 0xFFFFFFFFFFFFFFFF


@dataclass(frozen=True, slots=True)
class Answer:
    """What one side made of a step: a result, or in words why there is none."""

    result: int | None
    stopped: str = ""
    unknown: str = ""

    def __str__(self) -> str:
        if self.stopped or self.unknown:
            return self.stopped or self.unknown
        return "" if self.result is None else result_text(self.result)

    @property
    def placed(self) -> bool:
        """Whether it is an address, if the call gives one."""
        return self.result is not None and not -ERRORS < self.result < 0


class Side:
    """One kernel that carries the trace out in its own addresses."""

    def __init__(self, twin: Twin, records: Iterable[Record]) -> None:
        self.twin = twin
        self.feed = Feed(records)
        self.processes = Processes(twin, self.feed)
        self.placed: dict[int, Moved] = {}
        """By address space: where what the trace names lies here."""

    def mm(self, pid: int) -> int:
        """The thread's address space, 0 if there is none."""
        try:
            return self.processes.mm(pid)
        except Unpredictable:
            return 0

    def told(self, record: Record) -> Record:
        """The record in this side's addresses."""
        placed = self.placed.get(self.mm(record.pid))
        if not placed:
            return record
        if isinstance(record, Touch):
            return msgspec.structs.replace(record, addr=record.addr + placed.by(record.addr))
        if isinstance(record, Call) and record.op in ADDRESSES:
            args = list(record.args)
            for at in ADDRESSES[record.op]:
                args[at] = (args[at] + placed.by(args[at])) & MAX
            return msgspec.structs.replace(record, args=tuple(args))
        return record

    def carry_out(self, record: Record) -> Answer:
        """Do it, ``record`` being told in this side's addresses."""
        try:
            self.twin.begin_step()
            result = self.processes.carry_out(record)
        except Unpredictable as missing:
            return Answer(None, unknown=str(missing))
        except (KernelBug, KernelWarning) as bug:
            return Answer(None, stopped=str(bug))
        except BadAccess as access:
            return Answer(None, stopped=f"unable to handle a {access}")
        if result is not None and result < -ERRORS:
            result &= MAX
        return Answer(result)

    def maps(self, pid: int) -> str:
        """/proc/PID/maps of a thread."""
        return self.processes.maps(pid) if self.mm(pid) else ""

    def tree(self, mm: int) -> Node | int:
        """The tree of an address space, decoded."""
        load = self.twin.memory.load
        tree = mm + self.twin.layouts.mm_struct.offset("mm_mt")
        return decode(
            lambda node: [load(node + 8 * at) for at in range(32)],
            load(tree + self.twin.maple.era.root_offset),
            big_endian=self.twin.profile.big_endian,
        )

    def areas(self, mm: int) -> dict[int, tuple[int, int]]:
        """[start, end) of every VMA, by its address."""
        view = self.twin.space.view
        found = {}
        for vma in self.twin.space.vmas(mm):
            area = view("vm_area_struct", vma)
            found[vma] = (area.get("vm_start"), area.get("vm_end"))
        return found


@dataclass(slots=True)
class State:
    """One side after the step that parts them. ``lines`` are its map, ``areas`` its VMAs."""

    profile: str
    call: str
    answer: Answer
    lines: list[str] = field(default_factory=list)
    tree: Node | int | None = None
    areas: dict[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(slots=True)
class Divergence:
    """The first step at which the two kernels part.

    ``part`` says in what; ``step`` counts records from 1, ``line`` is the record's in the file.
    ``differ`` are the lines of the maps, left's and right's, that have no partner; ``path`` the
    slots that lead to the nodes that differ.
    """

    part: Part
    step: int
    line: int
    pid: int
    call: str
    message: str
    left: State
    right: State
    differ: tuple[list[str], list[str]] = ((), ())  # type: ignore[assignment]
    path: tuple[int, ...] = ()


@dataclass(slots=True)
class AgainstCounts:
    """How the steps went. ``followed`` results differ only in the address that was chosen.

    ``trees_apart`` were not compared: other addresses left holes in other places.
    """

    steps: int = 0
    followed: int = 0
    unknown: int = 0
    maps: int = 0
    trees: int = 0
    trees_by_shape: int = 0
    trees_apart: int = 0
    passed_over: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """The counts of the JSON document."""
        return {
            "steps": self.steps,
            "followed": self.followed,
            "unknown": self.unknown,
            "maps_compared": self.maps,
            "trees_compared": self.trees,
            "trees_compared_by_shape": self.trees_by_shape,
            "trees_not_comparable": self.trees_apart,
            "passed_over": dict(sorted(self.passed_over.items())),
        }


class Against:
    """Carries ``records`` out on both twins and stops where they part in one of ``parts``.

    ``records`` gives a fresh iterator at each call.
    """

    def __init__(
        self,
        left: Twin,
        right: Twin,
        records: Callable[[], Iterable[Record]],
        *,
        parts: Sequence[Part] = PARTS,
        on_step: Callable[[int], None] | None = None,
    ) -> None:
        self.left = Side(left, records())
        self.right = Side(right, records())
        self.parts = tuple(parts)
        self.on_step = on_step
        self.counts = AgainstCounts()
        self.back: dict[int, Moved] = {}
        """By the right side's address space: where what lies there is on the left."""
        self.images: dict[int, dict[tuple[int, int], MapLine]] = {}
        """And by what [start, end) has there: the left's line of the fresh image, where pages of
        two sizes made another one of it."""
        self.assume_written = not any(
            isinstance(record, Touch) for record in self.left.feed.ahead(1000)
        )

    def run(self) -> Divergence | None:
        """The first divergence; None if the kernels agree to the trace's end."""
        for record, same in zip(self.left.feed, self.right.feed, strict=True):
            self.counts.steps += 1
            found = self._one(record, same)
            if found is not None:
                return found
            if self.on_step is not None:
                self.on_step(self.counts.steps)
        return None

    def _one(self, record: Record, same: Record) -> Divergence | None:
        mine, theirs = self.left.told(record), self.right.told(same)
        before = (self.left.mm(record.pid), self.right.mm(record.pid))
        left, right = self.left.carry_out(mine), self.right.carry_out(theirs)
        states = (
            State(self.left.twin.profile.name, call_text(mine), left),
            State(self.right.twin.profile.name, call_text(theirs), right),
        )
        if left.unknown and right.unknown:
            self.counts.unknown += 1
            return None
        stopped = bool(left.stopped or right.stopped)
        if not self._same_result(record, left, right):
            message = f"{left or 'done'} on {states[0].profile}, {right or 'done'} on "
            found = self._part("result", record, f"{message}{states[1].profile}", states)
            if found is not None or stopped:
                return found or self._told("result", record, message, states)
        self._follow(record, left, right, before)
        if self.assume_written and not stopped:
            self._assume_written(mine, theirs, left, right)
        if left.unknown or right.unknown:
            return None
        pids = [record.pid, record.child] if isinstance(record, Child) else [record.pid]
        for pid in pids:
            found = self._maps_part(record, pid, states) or self._trees_part(record, pid, states)
            if found is not None:
                return found
        return None

    # Results.

    def _same_result(self, record: Record, left: Answer, right: Answer) -> bool:
        if left.stopped or right.stopped or left.unknown or right.unknown:
            return left == right
        if left.result == right.result:
            return True
        if isinstance(record, Call) and record.op == calls.BRK and right.result is not None:
            back = self.back.get(self.right.mm(record.pid)) or Moved()
            return left.result == right.result + back.by(right.result)
        chosen = isinstance(record, Call) and record.op in PLACES
        if chosen and left.placed and right.placed:
            self.counts.followed += 1
            return True
        return False

    def _follow(self, record: Record, left: Answer, right: Answer, before: tuple[int, int]) -> None:
        """Keep in mind where each side put what the record made."""
        now = (self.left.mm(record.pid), self.right.mm(record.pid))
        if isinstance(record, Exec):
            self._fresh(record, now)
        elif isinstance(record, Child):
            child = (self.left.mm(record.child), self.right.mm(record.child))
            if child[0] != now[0] and all(child):
                self._copy(now, child)
        if not isinstance(record, Call) or record.op not in PLACES or now != before:
            return
        if not (left.placed and right.placed and left.result and right.result):
            return
        length = _length(self.left, record, left.result)
        origin = record.ret if record.ret is not None and record.ret > 0 else left.result
        if record.op == calls.MREMAP and record.args[0] != origin:
            for side, mm in zip((self.left, self.right), now, strict=True):
                side.placed[mm].forget(record.args[0], record.args[0] + record.args[1])
        self.left.placed[now[0]].add(origin, origin + length, left.result - origin)
        self.right.placed[now[1]].add(origin, origin + length, right.result - origin)
        back = self.back[now[1]]
        back.add(
            right.result,
            right.result + _length(self.right, record, right.result),
            left.result - right.result,
        )

    def _fresh(self, record: Exec, mms: tuple[int, int]) -> None:
        """A new image: the record's, as each side's pages have it."""
        recorded = parse_maps(record.maps)
        heap = record.image.start_brk if record.image else 0
        above = min((line.start for line in recorded if line.start >= heap), default=heap)
        images, heaps = [], []
        for side, mm in zip((self.left, self.right), mms, strict=True):
            placed = side.placed[mm] = Moved()
            lines = parse_maps(side.maps(record.pid))
            images.append(lines)
            heaps.append(side.processes.view(mm).get("start_brk"))
            placed.add(heap, above, heaps[-1] - heap)
            for line, there in zip(recorded, lines, strict=False):
                placed.add(line.start, line.end, there.start - line.start)
        back = self.back[mms[1]] = Moved()
        back.add(heaps[1], heaps[1] + above - heap, heaps[0] - heaps[1])
        image = self.images[mms[1]] = {}
        for mine, theirs in zip(*images, strict=False):
            back.add(theirs.start, theirs.end, mine.start - theirs.start)
            if theirs != mine:
                image[theirs.start, theirs.end] = mine

    def _copy(self, source: tuple[int, int], target: tuple[int, int]) -> None:
        self.left.placed[target[0]] = self.left.placed[source[0]].copy()
        self.right.placed[target[1]] = self.right.placed[source[1]].copy()
        self.back[target[1]] = self.back[source[1]].copy()
        self.images[target[1]] = self.images.get(source[1], {})

    def _assume_written(self, mine: Record, theirs: Record, left: Answer, right: Answer) -> None:
        for side, record, answer in (
            (self.left, mine, left),
            (self.right, theirs, right),
        ):
            if isinstance(record, Call) and answer.result is not None and side.mm(record.pid):
                side.processes.assume_written(msgspec.structs.replace(record, ret=answer.result))

    # Maps.

    def _maps_part(
        self, record: Record, pid: int, states: tuple[State, State]
    ) -> Divergence | None:
        left, right = self.left.maps(pid), self.right.maps(pid)
        self.counts.maps += 1
        if left == right:
            return None
        mm = self.right.mm(pid)
        mine = _by_meaning(left, Moved(), {})
        theirs = _by_meaning(right, self.back.get(mm) or Moved(), self.images.get(mm, {}))
        only_left = [line for key, line in mine.items() if key not in theirs]
        only_right = [line for key, line in theirs.items() if key not in mine]
        if not only_left and not only_right:
            return None
        for state, text in zip(states, (left, right), strict=True):
            state.lines = text.splitlines()
        many = f"the maps of {pid} differ in {len(only_left)} and {len(only_right)} lines"
        found = self._part("maps", record, many, states)
        if found is not None:
            found.differ = (only_left, only_right)
        return found

    # Trees.

    def _trees_part(
        self, record: Record, pid: int, states: tuple[State, State]
    ) -> Divergence | None:
        mms = (self.left.mm(pid), self.right.mm(pid))
        if not all(mms):
            return None
        back = self.back.get(mms[1]) or Moved()
        try:
            trees = (self.left.tree(mms[0]), self.right.tree(mms[1]))
        except NotATree as broken:
            return self._part("trees", record, str(broken), states)
        areas = (self.left.areas(mms[0]), self.right.areas(mms[1]))
        image = self.images.get(mms[1], {})
        places = {vma: _place(*area, back, image) for vma, area in areas[1].items()}
        known = Areas(areas[0], places)
        elsewhere = bool(back or image)
        if elsewhere and not known.same_order(*trees):
            self.counts.trees_apart += 1
            return None
        self.counts.trees += 1
        self.counts.trees_by_shape += elsewhere
        difference = tree_difference(trees[0], trees[1], known, exact=not elsewhere)
        if difference is None:
            return None
        for state, tree, known_areas in zip(states, trees, areas, strict=True):
            state.tree, state.areas = tree, known_areas
        message, path = difference
        found = self._part("trees", record, f"the trees of {pid}: {message}", states)
        if found is not None:
            found.path = path
        return found

    # Telling.

    def _part(
        self, part: Part, record: Record, message: str, states: tuple[State, State]
    ) -> Divergence | None:
        if part not in self.parts:
            self.counts.passed_over[part] = self.counts.passed_over.get(part, 0) + 1
            return None
        return self._told(part, record, message, states)

    def _told(
        self, part: Part, record: Record, message: str, states: tuple[State, State]
    ) -> Divergence:
        for state, side in zip(states, (self.left, self.right), strict=True):
            if not state.answer.stopped:
                state.lines = state.lines or side.maps(record.pid).splitlines()
        return Divergence(
            part,
            self.counts.steps,
            record.line,
            record.pid,
            call_text(record),
            message,
            *states,
        )


def _by_meaning(
    text: str, back: Moved, image: dict[tuple[int, int], MapLine]
) -> dict[tuple[object, ...], str]:
    """The lines of a map by what they stand for, in the left side's addresses."""
    found: dict[tuple[object, ...], str] = {}
    for line, shown in zip(parse_maps(text), text.splitlines(), strict=True):
        where = _place(line.start, line.end, back, image)
        same = image.get((line.start, line.end), line)
        meaning = (where, line.perms, same.offset, line.major, line.minor, line.inode, line.name)
        found[meaning] = shown
    return found


def _place(start: int, end: int, back: Moved, image: dict[tuple[int, int], MapLine]) -> Ranges:
    """Where the right side's [start, end) lies on the left."""
    line = image.get((start, end))
    return back.pieces(start, end) if line is None else ((line.start, line.end),)


def _length(side: Side, record: Call, at: int) -> int:
    """Bytes that the record's mapping takes on a side, where it begins at ``at``."""
    if record.op == calls.SHMAT:
        mm = side.mm(record.pid)
        return side.areas(mm)[side.twin.space.vma_lookup(mm, at)][1] - at
    asked = record.args[2] if record.op == calls.MREMAP else record.args[1]
    page = side.twin.profile.page_size
    return (asked + page - 1) & -page
