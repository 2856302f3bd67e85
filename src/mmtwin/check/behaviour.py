"""What a tree answers, held against its leaves: look-ups, walks and searches for room.

The structure of a tree may be sound while the code that reads it is not. These checks read the
leaves themselves, ask the engine, and compare. They cost a few microseconds an entry and are for
tests and for regressions of the reading side, not for every step of a long replay.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from mmtwin.check.violation import Violation
from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState

TOP = (1 << 64) - 1
LEAF, RANGE, ARANGE = 1, 2, 3
ZERO_ENTRY = 0x406
LEVELS = 32
BUSY = -16

Slot = tuple[int, int, int]
"""First and last index (inclusive) and entry; 0 for NULL."""
Window = tuple[int, int, int]
"""Lowest and highest index (inclusive) and the size asked for."""


class Behaviour:
    """Compares what ``maple`` answers about a sound 64-bit tree with the tree's own leaves."""

    def __init__(self, maple: Maple) -> None:
        self.maple = maple
        self.memory = maple.memory

    # The leaves.

    def slots(self, tree: int) -> list[Slot]:
        """Every slot of every leaf, in order, NULLs with entry 0."""
        root = self.memory.load(tree + self.maple.era.root_offset)
        if root & 3 != 2:
            if root == 0:
                return [(0, TOP, 0)]
            return [(0, 0, root), (1, TOP, 0)]
        found: list[Slot] = []
        self._collect(root & ~255, (root >> 3) & 15, 0, TOP, found, 0)
        return found

    def _collect(
        self, node: int, kind: int, first: int, last: int, found: list[Slot], level: int
    ) -> None:
        load = self.memory.load
        pivots = 9 if kind == ARANGE else 15
        slots = node + (80 if kind == ARANGE else 128)
        low = first
        for slot in range(pivots + 1):
            high = load(node + 8 + 8 * slot) if slot < pivots else last
            if high == 0 and slot > 0:
                high = last
            entry = load(slots + 8 * slot)
            if kind == LEAF:
                found.append((low, high, entry))
            elif level < LEVELS:
                self._collect(entry & ~255, (entry >> 3) & 15, low, high, found, level + 1)
            if high >= last:
                return
            low = high + 1

    # The answers.

    def check(self, tree: int, chance: random.Random, windows: int = 20) -> list[Violation]:
        """All comparisons, with ``windows`` random searches each way."""
        slots = self.slots(tree)
        found = self.lookups(tree, slots) + self.walks(tree, slots)
        if self.maple.flags(tree) & 1:
            found += self.areas(tree, slots, random_windows(slots, chance, windows))
        return found

    def lookups(self, tree: int, slots: list[Slot]) -> list[Violation]:
        """mtree_load at both ends of each slot."""
        found = []
        for first, last, entry in slots:
            shown = 0 if entry == ZERO_ENTRY else entry
            for index in {first, last}:
                got = self.maple.mtree_load(tree, index)
                if got != shown:
                    found.append(_says("MT-21", tree, f"mtree_load({index:#x})", got, shown))
        return found

    def walks(self, tree: int, slots: list[Slot]) -> list[Violation]:
        """mas_find, mas_next, mas_find_rev and mas_prev over the whole tree, and past its ends."""
        if self.memory.load(tree + self.maple.era.root_offset) & 3 != 2:
            return []  # without a node a walk's state says more than its answer
        used = [slot for slot in slots if slot[2]]
        forwards = used + [(0, 0, 0)] * 2
        backwards = used[::-1] + [(0, 0, 0)] * 2
        maple = self.maple
        found = []
        for name, start, step, expected in (
            ("mas_find", 0, lambda mas: maple.mas_find(mas, TOP), forwards),
            ("mas_find_rev", TOP, lambda mas: maple.mas_find_rev(mas, 0), backwards),
        ):
            found += self._walk(tree, name, start, step, expected)
        if used:
            first, last = used[0], used[-1]
            after = [*used[1:], (0, 0, 0)]
            before = [*used[-2::-1], (0, 0, 0)]
            found += self._walk(
                tree, "mas_next", first[0], lambda mas: maple.mas_next(mas, TOP), after
            )
            found += self._walk(
                tree, "mas_prev", last[0], lambda mas: maple.mas_prev(mas, 0), before
            )
            found += self._after_pause(tree, used)
        return found

    def _walk(
        self,
        tree: int,
        name: str,
        start: int,
        step: Callable[[MaState], int],
        expected: list[Slot],
    ) -> list[Violation]:
        mas = MaState(tree, start)
        entries = {slot[2] for slot in expected}
        for first, last, entry in expected:
            got = step(mas)
            if got not in entries:
                return [_says("MT-25", tree, f"{name} before {first:#x}", got, entry)]
            if got != entry or (entry and (mas.index, mas.last) != (first, last)):
                what = f"{name} to {first:#x}..{last:#x}"
                return [_says("MT-21", tree, what, got, entry)]
        return []

    def _after_pause(self, tree: int, used: list[Slot]) -> list[Violation]:
        """A paused walk that turns round finds the entry before."""
        if len(used) < 2:
            return []
        mas = MaState(tree, used[-1][0])
        self.maple.mas_find(mas, TOP)
        mas.pause()
        got = self.maple.mas_prev(mas, 0)
        if got != used[-2][2]:
            return [_says("MT-21", tree, "mas_prev after mas_pause", got, used[-2][2])]
        return []

    def areas(self, tree: int, slots: list[Slot], windows: Iterable[Window]) -> list[Violation]:
        """mas_empty_area and its reverse, against every NULL there is."""
        found = []
        holes = [slot for slot in slots if slot[2] == 0]
        for low, high, size in windows:
            for name, wanted in (
                ("mas_empty_area", lowest(holes, low, high, size)),
                ("mas_empty_area_rev", highest(holes, low, high, size)),
            ):
                mas = MaState(tree, 0)
                error = getattr(self.maple, name)(mas, low, high, size)
                got = BUSY if error else mas.index
                if got != wanted or (not error and mas.last != got + size - 1):
                    what = f"{name}({low:#x}, {high:#x}, {size:#x})"
                    found.append(_says("MT-20", tree, what, got, wanted))
        return found


class Reference:
    """A plain list of what was stored, to hold a tree against: no trees, no sharing."""

    def __init__(self) -> None:
        self.slots: list[Slot] = [(0, TOP, 0)]

    def store(self, first: int, last: int, entry: int) -> None:
        """Store over ``first..last`` (inclusive); 0 clears."""
        kept: list[Slot] = []
        for low, high, old in self.slots:
            if low < first:
                kept.append((low, min(high, first - 1), old))
            if high > last:
                kept.append((max(low, last + 1), high, old))
        kept.append((first, last, entry))
        kept.sort()
        self.slots = _joined(kept)

    def compare(self, tree: int, slots: list[Slot]) -> list[Violation]:
        """The tree holds what was stored, with the same borders (MT-22)."""
        for mine, its in zip(self.slots, slots, strict=False):
            if mine != its:
                return [
                    Violation(
                        "MT-22",
                        "maple_tree",
                        tree,
                        f"index {min(mine[0], its[0]):#x}",
                        _slot_text(its),
                        _slot_text(mine),
                    )
                ]
        if len(self.slots) != len(slots):
            found = f"{len(slots)} slots"
            return [Violation("MT-22", "maple_tree", tree, "slots", found, f"{len(self.slots)}")]
        return []


def _joined(slots: list[Slot]) -> list[Slot]:
    """Neighbouring NULLs as one."""
    joined: list[Slot] = []
    for slot in slots:
        if joined and slot[2] == 0 and joined[-1][2] == 0:
            joined[-1] = (joined[-1][0], slot[1], 0)
        else:
            joined.append(slot)
    return joined


def lowest(holes: list[Slot], low: int, high: int, size: int) -> int:
    """The lowest free window, by trying every hole; -EBUSY if there is none."""
    for first, last, _ in holes:
        start = max(first, low)
        if start + size - 1 <= min(last, high):
            return start
    return BUSY


def highest(holes: list[Slot], low: int, high: int, size: int) -> int:
    """The highest free window, by trying every hole; -EBUSY if there is none."""
    for first, last, _ in reversed(holes):
        end = min(last, high)
        if end - size + 1 >= max(first, low):
            return end - size + 1
    return BUSY


def random_windows(slots: list[Slot], chance: random.Random, count: int) -> list[Window]:
    """Windows with borders at, before or behind those of slots; sizes around those of holes."""
    borders = [first for first, _, _ in slots]
    borders.append(max((last for _, last, entry in slots if entry or last < TOP), default=1))
    sizes = [last - first + 1 for first, last, entry in slots if not entry and last < TOP] or [1]
    windows = []
    for _ in range(count):
        low, high = (
            min(max(0, chance.choice(borders) + chance.randint(-2, 2)), TOP) for _ in range(2)
        )
        if low == high:
            continue
        size = max(1, chance.choice(sizes) + chance.randint(-1, 1))
        if size <= abs(high - low):
            windows.append((min(low, high), max(low, high), size))
    return windows


def _says(invariant: str, tree: int, call: str, got: int, expected: int) -> Violation:
    return Violation(invariant, "maple_tree", tree, call, _number(got), _number(expected))


def _number(value: int) -> str:
    return f"{value:#x}" if value >= 0 else str(value)


def _slot_text(slot: Slot) -> str:
    return f"{slot[0]:#x}..{slot[1]:#x}: {slot[2]:#x}"
