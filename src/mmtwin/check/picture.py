"""A maple node as evidence: decoded slot by slot, before and after a step.

Plain values only, for JSON documents and for drawing. Nothing here uses the tree's own code.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmtwin.memory.errors import BadAccess
from mmtwin.memory.memory import Memory

TOP = 0xFFFFFFFFFFFFFFFF
NODE_MASK = ~0xFF
MA_ROOT = 8
TYPES = {1: "leaf", 2: "range", 3: "arange"}
SHAPE = {1: (8, 15, 128, 16), 2: (8, 15, 128, 16), 3: (8, 9, 80, 10)}
"""By type: offset of pivot 0, pivots, offset of slot 0, slots."""
GAPS = 160
META_LEAF = 248
META_ARANGE = 240


@dataclass(frozen=True, slots=True)
class NodeAt:
    """A node and what it covers (first and last are inclusive)."""

    node: int
    kind: int
    first: int
    last: int


def locate(memory: Memory, tree: int, index: int, depth: int) -> NodeAt | None:
    """The node on the way to ``index`` at ``depth`` (0 is the root); None where the way ends."""
    enode = memory.load(tree + MA_ROOT)
    if enode & 3 != 2 or enode < 4096:
        return None
    at = NodeAt(enode & NODE_MASK, (enode >> 3) & 15, 0, TOP)
    for _ in range(depth):
        if at.kind not in (2, 3):
            return None
        slot, first, last = _slot_for(memory, at, index)
        enode = memory.load(at.node + SHAPE[at.kind][2] + 8 * slot)
        if enode & 0xFF not in (0x0C, 0x14, 0x1C):
            return None
        at = NodeAt(enode & NODE_MASK, (enode >> 3) & 15, first, last)
    return at


def _slot_for(memory: Memory, at: NodeAt, index: int) -> tuple[int, int, int]:
    pivot_at, pivots, _, _ = SHAPE[at.kind]
    first = at.first
    for slot in range(pivots):
        pivot = memory.load(at.node + pivot_at + 8 * slot)
        if pivot >= index or (pivot == 0 and slot > 0):
            return slot, first, min(pivot, at.last) if pivot else at.last
        first = pivot + 1
    return pivots, first, at.last


def node_picture(memory: Memory, at: NodeAt) -> dict[str, object]:
    """The node decoded: type, range, data end, and each slot with its range and content.

    Slots past the data end are listed if anything is left in them.
    """
    pivot_at, pivots, slot_at, slots = SHAPE[at.kind]
    words = [memory.load(at.node + 8 * i) for i in range(32)]
    end = _end(memory, at, words)
    rows: list[dict[str, object]] = []
    first = at.first
    for slot in range(slots):
        entry = words[slot_at // 8 + slot]
        pivot = words[pivot_at // 8 + slot] if slot < pivots else at.last
        if slot > end:
            metadata = at.kind != 3 and slot == 15
            if (entry and not metadata) or (slot < pivots and pivot):
                rows.append({"slot": slot, "pivot": f"{pivot:#x}", "entry": f"{entry:#x}"})
            continue
        last = at.last if slot == pivots or (pivot == 0 and slot) else pivot
        row: dict[str, object] = {
            "slot": slot,
            "first": f"{first:#x}",
            "last": f"{last:#x}",
            "entry": f"{entry:#x}",
        }
        if at.kind == 3:
            row["gap"] = f"{words[(GAPS // 8) + slot]:#x}"
        rows.append(row)
        first = last + 1
    return {
        "node": f"{at.node:#x}",
        "type": TYPES.get(at.kind, str(at.kind)),
        "first": f"{at.first:#x}",
        "last": f"{at.last:#x}",
        "end": end,
        "slots": rows,
        "words": [f"{word:#x}" for word in words],
    }


def _end(memory: Memory, at: NodeAt, words: list[int]) -> int:
    if at.kind == 3:
        return memory.load8(at.node + META_ARANGE)
    if words[15] == 0:
        return memory.load8(at.node + META_LEAF)
    return 14 if words[15] == at.last else 15


def before_and_after(
    memory: Memory, path: tuple[tuple[int, int], ...], node: int, mark: int
) -> dict[str, object]:
    """Evidence for a violation at ``node``, reached from the root along ``path``.

    ``after`` is the node as it is; ``before`` the node that covered the same addresses at the
    journal's position ``mark``. Either is None where the way to it is broken. ``changed`` are the
    words (0 to 31) of the node at this address that the step changed.
    """
    top = path[0][0] if path else node
    try:
        tree = memory.load(top) & ~1
        index = _first_index(memory, tree, path)
        after = locate(memory, tree, index, len(path))
        shown = node_picture(memory, after) if after else None
        now = [memory.load(node + 8 * i) for i in range(32)]
        with memory.at(mark):
            before = locate(memory, tree, index, len(path))
            earlier = node_picture(memory, before) if before else None
            then = [memory.load(node + 8 * i) for i in range(32)]
    except (BadAccess, KeyError):
        return {"tree": None, "before": None, "after": None, "changed": []}
    return {
        "tree": f"{tree:#x}",
        "path": [{"node": f"{above:#x}", "slot": slot} for above, slot in path],
        "before": earlier,
        "after": shown,
        "changed": [i for i in range(32) if now[i] != then[i]],
    }


def _first_index(memory: Memory, tree: int, path: tuple[tuple[int, int], ...]) -> int:
    """The lowest index below the slots taken along ``path``."""
    index = 0
    for depth, (_, slot) in enumerate(path):
        at = locate(memory, tree, index, depth)
        if at is not None and slot > 0:
            index = memory.load(at.node + SHAPE[at.kind][0] + 8 * (slot - 1)) + 1
    return index
