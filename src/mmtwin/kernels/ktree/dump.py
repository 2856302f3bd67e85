"""A whole tree as words, the same for the kernel's and for ours; its short notation and digest.

The words: the root (0 empty, the entry when direct, otherwise the root word's low eight bits), the
flags, the number of nodes; then for each node, depth first, its data end and its 32 words (64 on
a 32-bit machine, each in a word of ours). Nodes
are numbered from 1 in that order. The parent word of the root reads 1; in all other parent words
and in the slots of inner nodes up to the data end the address is replaced by number * 256. All
other words stand as they lie in memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from mmtwin.kernels.ktree.protocol import MAX
from mmtwin.kernels.ktree.target import ARANGE, LEAF, NATIVE, RANGE, SHAPES, Target

HEADER = 3

FNV_OFFSET = 14695981039346656037
FNV_PRIME = 1099511628211


def fnv1a(data: bytes) -> int:
    """FNV-1a of 64 bits."""
    digest = FNV_OFFSET
    for byte in data:
        digest = (digest ^ byte) * FNV_PRIME & MAX
    return digest


class Dump:
    """One tree at one time. Two dumps are equal when every word is."""

    def __init__(self, words: array[int], target: Target = NATIVE) -> None:
        self.words = words
        self.target = target
        self._record = 1 + target.node_words

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dump) and self.words == other.words

    __hash__ = None  # type: ignore[assignment]  # a dump is compared, not looked up

    @property
    def root(self) -> int:
        """0, a direct entry, or the type bits of the root node."""
        return self.words[0]

    @property
    def flags(self) -> int:
        """The tree's flags word, the height within it."""
        return self.words[1]

    @property
    def height(self) -> int:
        """Levels of nodes; 0 for an empty tree and a direct entry."""
        return self.flags >> 2 & 31

    @property
    def nodes(self) -> int:
        """How many nodes the tree has."""
        return self.words[2]

    def end(self, number: int) -> int:
        """The data end of a node (the last slot used, inclusive)."""
        return self.words[HEADER + (number - 1) * self._record]

    def node(self, number: int) -> array[int]:
        """The words of a node."""
        start = HEADER + (number - 1) * self._record + 1
        return self.words[start : start + self.target.node_words]

    def notation(self) -> str:
        """The tree in one line: ``L[-@9 1@19 -@M]``, values as plain numbers, see the reference."""
        if self.root == 0:
            return "empty"
        if self.root & 3 != 2:
            return f"direct {_value(self.root)}"
        return self._node_notation(1, self.root >> 3 & 15, self.target.top)

    def digest(self) -> str:
        """Sixteen hex digits: FNV-1a of the notation."""
        return f"{fnv1a(self.notation().encode('ascii')):016x}"

    def levels(self) -> list[int]:
        """How many nodes there are on each level, from the root."""
        counts: list[int] = []
        if self.nodes:
            self._count_level(1, self.root >> 3 & 15, 0, counts)
        return counts

    def differences(self, other: Dump, limit: int = 12) -> list[str]:
        """In words where the two part, at most ``limit`` lines; empty when they are equal."""
        lines = []
        for name in ("root", "flags", "nodes"):
            mine, its = getattr(self, name), getattr(other, name)
            if mine != its:
                lines.append(f"{name}: {mine:#x} against {its:#x}")
        for number in range(1, min(self.nodes, other.nodes) + 1):
            if self.end(number) != other.end(number):
                lines.append(f"node {number} end: {self.end(number)} against {other.end(number)}")
            for word, (mine, its) in enumerate(
                zip(self.node(number), other.node(number), strict=True)
            ):
                if mine != its:
                    lines.append(f"node {number} word {word}: {mine:#x} against {its:#x}")
            if len(lines) >= limit:
                break
        return lines[:limit]

    def _children(self, number: int, kind: int) -> Iterator[tuple[int, int, int]]:
        """Slot, word in it and pivot (0 where there is none) of a node's slots up to the end."""
        words = self.node(number)
        shape = SHAPES[self.target.bits][kind]
        for slot in range(self.end(number) + 1):
            pivot = words[shape.first_pivot + slot] if slot < shape.pivots else 0
            yield slot, words[shape.first_slot + slot], pivot

    def _node_notation(self, number: int, kind: int, limit: int) -> str:
        words = self.node(number)
        shape = SHAPES[self.target.bits][kind]
        end = self.end(number)
        parts = []
        for slot, word, pivot in self._children(number, kind):
            last = limit if slot == end else pivot
            if kind == LEAF:
                text = _value(word)
            else:
                text = self._node_notation(word >> 8, word >> 3 & 15, last)
            if kind == ARANGE:
                text = f"g{words[shape.first_gap + slot]}:{text}"
            parts.append(f"{text}@{'M' if last == self.target.top else last}")
        widest = self.target.meta(words[shape.meta])[1]
        name = {LEAF: "L", RANGE: "R", ARANGE: f"A{widest}"}[kind]
        return f"{name}[{' '.join(parts)}]"

    def _count_level(self, number: int, kind: int, depth: int, counts: list[int]) -> None:
        if depth == len(counts):
            counts.append(0)
        counts[depth] += 1
        if kind != LEAF:
            for _, word, _ in self._children(number, kind):
                self._count_level(word >> 8, word >> 3 & 15, depth + 1, counts)


def _value(entry: int) -> str:
    """A leaf's entry: the plain number of a value entry, ``-`` for NULL, hex for a pointer."""
    if entry == 0:
        return "-"
    return str(entry >> 1) if entry & 1 else f"{entry:#x}"
