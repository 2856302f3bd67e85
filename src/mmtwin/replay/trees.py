"""Two trees side by side: do they stand for the same areas, node by node?"""

from __future__ import annotations

from dataclasses import dataclass

from mmtwin.maple.shape import Node

Ranges = tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Areas:
    """What the entries of two trees stand for, both in the left side's addresses.

    ``left`` gives [start, end) by VMA, ``right`` the ranges that the VMA's memory has on the left.
    """

    left: dict[int, tuple[int, int]]
    right: dict[int, Ranges]

    def same(self, left: int, right: int) -> bool:
        """Whether two entries stand for the same memory."""
        if left == 0 or right == 0:
            return left == right
        mine = self.left.get(left)
        return mine is not None and (mine,) == self.right.get(right)

    def same_order(self, left: Node | int, right: Node | int) -> bool:
        """Whether the same areas follow each other, with holes in the same places."""
        mine, theirs = _entries(left), _entries(right)
        return len(mine) == len(theirs) and all(map(self.same, mine, theirs))


def tree_difference(
    left: Node | int, right: Node | int, areas: Areas, *, exact: bool
) -> tuple[str, tuple[int, ...]] | None:
    """Where the trees part, in words, and the slots that lead there; None if they are the same.

    Addresses of VMAs must differ, and so must the metadata's slot of the largest gap where there is
    no gap. With ``exact`` pivots and gaps must be the same; without, where mappings lie at other
    addresses, only types, the number of slots and what the entries stand for; that takes areas and
    holes in the same order (:meth:`Areas.same_order`).
    """
    return _differ(left, right, areas, exact, ())


def _entries(tree: Node | int) -> list[int]:
    return [tree] if isinstance(tree, int) else [entry for _, _, entry in tree.entries()]


def _differ(
    left: Node | int, right: Node | int, areas: Areas, exact: bool, path: tuple[int, ...]
) -> tuple[str, tuple[int, ...]] | None:
    if isinstance(left, int) or isinstance(right, int):
        if isinstance(left, int) and isinstance(right, int):
            return None if areas.same(left, right) else ("another area", path)
        return "a node on one side, an entry on the other", path
    what = node_difference(left, right, exact=exact)
    if what:
        return what, path
    for at, (mine, theirs) in enumerate(zip(left.slots, right.slots, strict=True)):
        found = _differ(mine, theirs, areas, exact, (*path, at))
        if found is not None:
            return found
    return None


def node_difference(left: Node, right: Node, *, exact: bool = True) -> str:
    """In what two nodes differ, what their slots hold left aside; ``""`` if in nothing."""
    if left.kind != right.kind:
        return f"a {left.name} node here, a {right.name} there"
    if left.end != right.end:
        return f"{left.end + 1} slots in use here, {right.end + 1} there"
    if not exact:
        return ""
    if left.pivots != right.pivots:
        return "other pivots"
    if left.gaps != right.gaps:
        return "other gaps"
    if left.meta_end != right.meta_end:
        return f"the metadata's end is {left.meta_end} here, {right.meta_end} there"
    if any(left.gaps) and left.widest != right.widest:
        return f"the largest gap in slot {left.widest} here, {right.widest} there"
    return ""
