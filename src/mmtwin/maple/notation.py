"""A tree in one line of text, and the digest of it.

A leaf is ``L[..]``, a range node ``R[..]``, an allocation node ``A<meta.gap>[..]``; inside, the
slots 0 to the data end, one space between. A leaf's slot is ``VALUE@PIVOT`` or ``-@PIVOT`` for
NULL, an inner slot is ``NODE@PIVOT``, with ``g<gap>:`` before it in an allocation node. Numbers
are decimal, ``@M`` is the highest index, the last slot shows the node's upper end. ``empty`` and
``direct VALUE`` stand for trees without nodes. Value entries (bit 0 set) show as their number,
others in hexadecimal.

>>> fnv1a("empty") == 0x904FEFB3D01CB2AE
True
"""

from __future__ import annotations

from mmtwin.maple.nodes import MAPLE_ARANGE_64, MAPLE_HEIGHT_MAX, MAPLE_LEAF_64, Nodes

_FNV_OFFSET = 14695981039346656037
_FNV_PRIME = 1099511628211
_MASK = 0xFFFFFFFFFFFFFFFF


def fnv1a(text: str) -> int:
    """The 64-bit FNV-1a hash of a text's ASCII bytes."""
    value = _FNV_OFFSET
    for byte in text.encode("ascii"):
        value = ((value ^ byte) * _FNV_PRIME) & _MASK
    return value


def show_entry(entry: int) -> str:
    """An entry as the notation has it."""
    return str(entry >> 1) if entry & 1 else hex(entry)


def notation(engine: Nodes, tree: int) -> str:
    """The tree at address ``tree`` in one line."""
    root = engine.root(tree)
    if root == 0:
        return "empty"
    if root & 3 != 2 or root <= 4096:
        return f"direct {show_entry(root)}"
    return _node(engine, root & ~2, engine.max_index, 0)


def _node(engine: Nodes, enode: int, top: int, depth: int) -> str:
    if depth > MAPLE_HEIGHT_MAX:
        raise ValueError(f"the walk to {enode:#x} is deeper than any tree")
    node, kind = enode & ~255, engine.node_type(enode)
    end = engine.ma_data_end(node, kind, top)
    parts = []
    for at in range(end + 1):
        pivot = top if at == end else engine.pivot(node, at)
        slot = engine.slot(node, kind, at)
        if kind == MAPLE_LEAF_64:
            text = show_entry(slot) if slot else "-"
        else:
            text = _node(engine, slot, pivot, depth + 1)
            if kind == MAPLE_ARANGE_64:
                text = f"g{engine.gap(node, at)}:{text}"
        parts.append(f"{text}@{'M' if pivot == engine.max_index else pivot}")
    letter = "L" if kind == MAPLE_LEAF_64 else "R"
    if kind == MAPLE_ARANGE_64:
        letter = f"A{engine.meta_gap(node)}"
    return f"{letter}[{' '.join(parts)}]"


def digest(engine: Nodes, tree: int) -> str:
    """The FNV-1a hash of the notation, as 16 hexadecimal digits."""
    return f"{fnv1a(notation(engine, tree)):016x}"


def node_counts(engine: Nodes, tree: int) -> list[int]:
    """How many nodes each level has, from the root down; empty for a tree without nodes."""
    root = engine.root(tree)
    level = [(root & ~2, engine.max_index)] if root & 3 == 2 and root > 4096 else []
    counts: list[int] = []
    while level and len(counts) <= MAPLE_HEIGHT_MAX:
        counts.append(len(level))
        below: list[tuple[int, int]] = []
        for enode, top in level:
            node, kind = enode & ~255, engine.node_type(enode)
            if kind == MAPLE_LEAF_64:
                return counts
            end = engine.ma_data_end(node, kind, top)
            for at in range(end + 1):
                pivot = top if at == end else engine.pivot(node, at)
                below.append((engine.slot(node, kind, at), pivot))
        level = below
    return counts
