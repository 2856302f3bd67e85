"""A maple tree decoded node by node, from wherever its words can be read.

Nothing here uses the tree's own code: a twin's memory and a kernel's are read the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

TOP = 0xFFFFFFFFFFFFFFFF
LEAF, RANGE, ARANGE = 1, 2, 3
NAMES = {LEAF: "leaf_64", RANGE: "range_64", ARANGE: "arange_64"}
SLOTS = {LEAF: 16, RANGE: 16, ARANGE: 10}
SLOT_AT = {LEAF: 16, RANGE: 16, ARANGE: 10}
"""Number of the first slot's word."""
GAP_AT = 20
META_AT = {LEAF: 31, RANGE: 31, ARANGE: 30}
LEVELS = 32
NODE_BYTES = 256


class NotATree(ValueError):
    """What was read is no maple tree; ``str()`` says where and why."""


@dataclass(slots=True)
class Node:
    """A node: its type, the range it covers (inclusive), its slots up to the data end.

    ``pivots`` are the inclusive ends of all slots, that of the last one being ``last``. ``slots``
    hold entries (0 for NULL) in a leaf, nodes elsewhere. ``gaps`` are those of an ``arange_64``,
    ``widest`` the slot of the largest as the metadata has it, None where there are none.
    """

    address: int
    kind: int
    first: int
    last: int
    pivots: list[int]
    slots: list[int | Node]
    gaps: list[int]
    widest: int | None
    meta_end: int | None = None
    """The data end in the metadata; None where slots take its place."""

    @property
    def end(self) -> int:
        """The number of the last slot in use."""
        return len(self.slots) - 1

    @property
    def name(self) -> str:
        """The kernel's name of the type."""
        return NAMES[self.kind]

    def nodes(self) -> Iterator[Node]:
        """This node and all below it, each before those below it."""
        yield self
        for slot in self.slots:
            if isinstance(slot, Node):
                yield from slot.nodes()

    def entries(self) -> Iterator[tuple[int, int, int]]:
        """First and last index (inclusive) and entry of each slot of each leaf, in order."""
        low = self.first
        for pivot, slot in zip(self.pivots, self.slots, strict=True):
            if isinstance(slot, Node):
                yield from slot.entries()
            else:
                yield low, pivot, slot
            low = pivot + 1


def decode(
    words_of: Callable[[int], list[int]], root: int, *, big_endian: bool = False
) -> Node | int:
    """The tree behind a ``ma_root`` word: its root node, or the entry that stands for a node.

    ``words_of`` gives the 32 words of the node at an address. :class:`NotATree` where the words
    make no tree: a type that does not exist, pivots that do not rise, levels without end.
    """
    if root & 3 != 2 or root < 4096:
        return root
    return _node(words_of, root, 0, TOP, big_endian, 0)


def _node(
    words_of: Callable[[int], list[int]],
    enode: int,
    first: int,
    last: int,
    big_endian: bool,
    level: int,
) -> Node:
    address, kind = enode & ~255, (enode >> 3) & 15
    if kind not in SLOTS or level > LEVELS:
        raise NotATree(f"{enode:#x} at level {level}: type bits {kind}")
    words = words_of(address)
    count = SLOTS[kind]
    slot_at = SLOT_AT[kind]
    node = Node(address, kind, first, last, [], [], [], None)
    low = first
    for at in range(count):
        pivot = words[1 + at] if at < count - 1 else last
        if pivot == 0 and at > 0:
            pivot = last
        if not low <= pivot <= last:
            raise NotATree(f"{address:#x}: pivot {at} is {pivot:#x}, outside {low:#x}..{last:#x}")
        word = words[slot_at + at]
        node.pivots.append(pivot)
        node.slots.append(
            word if kind == LEAF else _node(words_of, word, low, pivot, big_endian, level + 1)
        )
        if pivot == last:
            break
        low = pivot + 1
    meta = words[META_AT[kind]]
    if kind == ARANGE or words[count - 1] == 0:
        node.meta_end = (meta >> 56 if big_endian else meta) & 255
    if kind == ARANGE:
        node.gaps = words[GAP_AT : GAP_AT + len(node.slots)]
        node.widest = (meta >> 48 if big_endian else meta >> 8) & 255
    return node
