"""Trees written into memory by hand, word by word: the checks are tested without the engine."""

from dataclasses import dataclass

from mmtwin.memory.allocator import Arena
from mmtwin.memory.memory import Memory

TOP = (1 << 64) - 1
LEAF, RANGE, ARANGE = 1, 2, 3


@dataclass
class Made:
    """A memory with one tree in it; ``leaves`` and ``inner`` are node addresses, low to high."""

    memory: Memory
    nodes: Arena
    tree: int
    alloc: bool
    leaves: list[int]
    inner: list[int]

    def pivot(self, node: int, i: int) -> int:
        return node + 8 + 8 * i

    def slot(self, node: int, i: int) -> int:
        return node + (80 if node in self.inner and self.alloc else 128) + 8 * i

    def gap(self, node: int, i: int) -> int:
        return node + 160 + 8 * i

    def meta(self, node: int) -> int:
        return node + (240 if node in self.inner and self.alloc else 248)


def slots_of(ranges: list[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """(entry, last) of every slot, NULL ranges included."""
    slots, at = [], 0
    for first, last, entry in ranges:
        if first > at:
            slots.append((0, first - 1))
        slots.append((entry, last))
        at = last + 1
    if at <= TOP:
        slots.append((0, TOP))
    return slots


def cut(slots: list, size: int) -> list[list]:
    """Pieces of ``size`` slots (the last has at least 7), none but the last ending in NULL."""
    pieces = []
    while len(slots) > 16:
        take = size if slots[size - 1][0] else size - 1
        pieces.append(slots[:take])
        slots = slots[take:]
    return [*pieces, slots]


def meta_word(memory: Memory, end: int, gap: int) -> int:
    return (end << 56 | gap << 48) if memory.big_endian else (end | gap << 8)


def make(
    ranges: list[tuple[int, int, int]],
    *,
    alloc: bool = True,
    big_endian: bool = False,
    fill: int = 9,
) -> Made:
    memory = Memory(16 << 20, big_endian=big_endian, journal=True)
    nodes = Arena(memory, 256, 256, "maple_node")
    tree = memory.boot_alloc(24, 8)
    made = Made(memory, nodes, tree, alloc, [], [])
    level = []
    first = 0
    for piece in cut(slots_of(ranges), fill):
        node = nodes.alloc(0)
        made.leaves.append(node)
        gap = 0
        low = first
        for i, (entry, last) in enumerate(piece):
            if i < 15:
                memory.store(node + 8 + 8 * i, last)
            memory.store(node + 128 + 8 * i, entry)
            if entry == 0:
                gap = max(gap, last - low + 1)
            low = last + 1
        if len(piece) < 16:
            memory.store(node + 248, meta_word(memory, len(piece) - 1, 0))
        level.append((node, LEAF, piece[-1][1], gap))
        first = low
    height = 1
    while len(level) > 1:
        level = _above(made, level)
        height += 1
    node, kind, _, _ = level[0]
    memory.store(node, tree | 1)
    memory.store(tree + 8, node | kind << 3 | 6)
    memory.store32(tree + 16, (1 if alloc else 0) | height << 2)
    return made


def _above(made: Made, level: list) -> list:
    memory, kind = made.memory, ARANGE if made.alloc else RANGE
    upper = []
    size, most = (6, 10) if made.alloc else (8, 16)
    groups = [level[i : i + size] for i in range(0, len(level), size)]
    if len(groups) > 1 and len(groups[-1]) < size - 1:
        both = groups[-2] + groups[-1]
        half = len(both) // 2
        groups[-2:] = [both] if len(both) <= most else [both[:half], both[half:]]
    for group in groups:
        node = made.nodes.alloc(0)
        made.inner.append(node)
        for i, (child, child_kind, last, gap) in enumerate(group):
            if i < (9 if made.alloc else 15):
                memory.store(node + 8 + 8 * i, last)
            memory.store(made.slot(node, i), child | child_kind << 3 | 4)
            memory.store(child, node | i << 3 | 6)
            if made.alloc:
                memory.store(made.gap(node, i), gap)
        largest = max(gap for *_, gap in group)
        at = max(i for i, (*_, gap) in enumerate(group) if gap == largest) if made.alloc else 0
        memory.store(made.meta(node), meta_word(memory, len(group) - 1, at))
        upper.append((node, kind, group[-1][2], largest))
    return upper


def spaced(count: int, step: int = 16, length: int = 8) -> list[tuple[int, int, int]]:
    """``count`` ranges with gaps between them; the entries are addresses of nothing."""
    return [
        (0x1000 + i * step, 0x1000 + i * step + length - 1, 0x10000 + 16 * i) for i in range(count)
    ]
