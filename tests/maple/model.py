"""What a tree must hold and look like, worked out the simple way."""

from __future__ import annotations

from itertools import pairwise

from maple_trees import TOP, Tree

from mmtwin.maple.nodes import MAPLE_ARANGE_64, MAPLE_LEAF_64


class Map:
    """A reference for the contents: slots as (first, last, number or None) in a plain list.

    Ranges are cut and covered by stores; neighbouring NULLs are one, equal entries stay apart.
    """

    def __init__(self, top: int = TOP) -> None:
        self.slots: list[tuple[int, int, int | None]] = [(0, top, None)]

    def store(self, first: int, last: int, number: int | None) -> None:
        out: list[tuple[int, int, int | None]] = []
        for a, b, held in self.slots:
            if a < first:
                out.append((a, min(b, first - 1), held))
            if a <= first <= b:
                out.append((first, last, number))
            if b > last:
                out.append((max(a, last + 1), b, held))
        self.slots = []
        for slot in out:
            before = self.slots[-1] if self.slots else None
            if before is not None and before[2] is None and slot[2] is None:
                self.slots[-1] = (before[0], slot[1], None)
            else:
                self.slots.append(slot)

    def at(self, index: int) -> tuple[int, int, int | None]:
        return next(slot for slot in self.slots if slot[0] <= index <= slot[1])

    def erase(self, index: int) -> int | None:
        first, last, number = self.at(index)
        if number is not None:
            self.store(first, last, None)
        return number

    def entries(self) -> list[tuple[int, int, int]]:
        return [(a, b, n) for a, b, n in self.slots if n is not None]

    def lowest(self, low: int, high: int, size: int) -> int | None:
        """The first index of the lowest free window of ``size`` in ``low`` to ``high``."""
        for a, b, number in self.slots:
            first = max(a, low)
            if number is None and min(b, high) - first + 1 >= size:
                return first
        return None

    def highest(self, low: int, high: int, size: int) -> int | None:
        for a, b, number in reversed(self.slots):
            last = min(b, high)
            if number is None and last - max(a, low) + 1 >= size:
                return last - size + 1
        return None


def validate(tree: Tree, reference: Map | None = None) -> None:
    """Every rule for a tree at rest: structure, sizes, gaps, contents."""
    maple = tree.maple
    root = maple.root(tree.address)
    alloc = maple.mt_is_alloc(tree.address)
    slots: list[tuple[int, int, int | None]] = []
    if root & 3 == 2 and root > 4096:
        node = root & ~255
        assert maple.parent_word(node) == tree.address | 1
        seen: set[int] = set()
        depth = _node(tree, root & ~2, 0, tree.top, alloc, seen, slots, True)[0]
        assert depth == tree.height
        assert any(number is not None for _, _, number in slots)
    else:
        assert tree.height == 0
        slots = [(0, tree.top, None)]
        if root:
            slots = [(0, 0, tree.number(root)), (1, tree.top, None)]
    for (_, _, one), (_, _, other) in pairwise(slots):
        assert one is not None or other is not None, "two NULLs adjoin"
    if reference is not None:
        assert slots == reference.slots


def _node(
    tree: Tree,
    enode: int,
    low: int,
    high: int,
    alloc: bool,
    seen: set[int],
    slots: list[tuple[int, int, int | None]],
    root: bool,
) -> tuple[int, int]:
    """(levels, largest gap) of a subtree."""
    maple, node, kind = tree.maple, enode & ~255, maple_type(enode)
    assert node not in seen
    seen.add(node)
    leaf = kind == MAPLE_LEAF_64
    assert leaf or (kind == MAPLE_ARANGE_64) == alloc
    end = maple.ma_data_end(node, kind, high)
    pivots = maple.mt_pivots(kind)
    assert end < maple.mt_slots(kind)
    if root:
        assert leaf or end >= 1
    else:
        assert end >= maple.mt_min_slots(kind), f"{node:#x} has {end + 1} slots"
    assert end == pivots or maple.pivot(node, end) == high
    for at in range(end + 1, pivots):
        assert maple.pivot(node, at) == 0
        assert maple.slot(node, kind, at) == 0
    first, widest, levels = low, 0, 0
    gaps: list[int] = []
    for at in range(end + 1):
        last = high if at == end else maple.pivot(node, at)
        assert first <= last <= high
        slot = maple.slot(node, kind, at)
        if leaf:
            slots.append((first, last, tree.number(slot)))
            gaps.append(0 if slot else last - first + 1)
            assert slot or at < end or high == tree.top, "a leaf ends in NULL"
        else:
            assert maple.parent_word(slot & ~255) == node | at << 3 | 6
            below, gap = _node(tree, slot, first, last, alloc, seen, slots, False)
            assert levels in (0, below)
            levels = below
            gaps.append(gap)
            if alloc:
                assert maple.gap(node, at) == gap
        first = last + 1
    widest = max(gaps)
    if kind == MAPLE_ARANGE_64:
        named = maple.meta_gap(node)
        if named == maple.gap_none and widest == 0:
            return levels + 1, 0
        assert gaps[named] == widest
        for at in range(end + 1, maple.mt_slots(kind)):
            assert maple.gap(node, at) == 0
    return levels + 1, widest


def maple_type(enode: int) -> int:
    return enode >> 3 & 15
