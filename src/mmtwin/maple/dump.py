"""Trees and states as text, in the kernel's own formats.

Pointers are what ``%px`` prints: 16 hexadecimal digits (8 on 32-bit kernels). With ``kernel=False``
they are what a user-space build of the tree prints: ``0x...`` and ``(nil)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmtwin.maple.nodes import (
    MAPLE_ARANGE_64,
    MAPLE_DENSE,
    MAPLE_HEIGHT_MAX,
    MAPLE_LEAF_64,
    MAPLE_RANGE_64,
    XA_ZERO_ENTRY,
)
from mmtwin.maple.state import STATUS_NAMES
from mmtwin.maple.typed import STORE_TYPE_NAMES

if TYPE_CHECKING:
    from mmtwin.maple.lifecycle import Lifecycle
    from mmtwin.maple.state import MaState


class _Dump:
    """One dump under way: the lines, and how numbers and pointers look."""

    def __init__(self, engine: Lifecycle, hex: bool, kernel: bool) -> None:
        self.engine = engine
        self.hex = hex
        self.kernel = kernel
        self.lines: list[str] = []

    def pointer(self, value: int) -> str:
        if self.kernel:
            return f"{value:0{self.engine.bits // 4}x}"
        return f"{value:#x}" if value else "(nil)"

    def number(self, value: int) -> str:
        return f"{value:x}" if self.hex else str(value)

    def pivot(self, value: int) -> str:
        return f"{value:X}" if self.hex else str(value)

    def span(self, first: int, last: int, depth: int) -> str:
        indent = "  " * depth
        if first == last:
            return f"{indent}{self.number(first)}: "
        return f"{indent}{self.number(first)}-{self.number(last)}: "

    def entry(self, entry: int, first: int, last: int, depth: int) -> None:
        if entry & 1:
            text = f"value {entry >> 1} ({entry >> 1:#x}) [{self.pointer(entry)}]"
        elif entry == XA_ZERO_ENTRY:
            text = "zero (257)"
        elif entry & 3 == 2 and entry < 4096:
            text = f"UNKNOWN ENTRY ({self.pointer(entry)})"
        else:
            text = self.pointer(entry)
        self.lines.append(self.span(first, last, depth) + text)

    def node(self, enode: int, first: int, last: int, depth: int) -> None:
        engine, node, kind = self.engine, enode & ~255, (enode >> 3) & 15
        parent = engine.parent_word(node) if node else 0
        head = (
            f"{self.span(first, last, depth)}node {self.pointer(node)} depth {depth} type {kind} "
            f"parent {self.pointer(parent)}"
        )
        if kind in (MAPLE_LEAF_64, MAPLE_RANGE_64):
            self.lines.append(f"{head} contents: {self.contents(node, kind)}")
            self.slots(enode, first, last, depth)
        elif kind == MAPLE_ARANGE_64:
            gaps = "".join(
                f"{self.number(engine.gap(node, at))} " for at in range(engine.mt_slots(kind))
            )
            meta = f"| {engine.meta_end(node, kind):02X} {engine.meta_gap(node):02X}| "
            self.lines.append(f"{head} contents: {gaps}{meta}{self.contents(node, kind)}")
            self.slots(enode, first, last, depth)
        elif kind == MAPLE_DENSE:
            self.lines.append(head)
            for at in range(engine.mt_slots(kind)):
                self.entry(engine.slot(node, kind, at), first + at, first + at, depth)
                if first + at > last:
                    self.lines[-1] = "OUT OF RANGE: " + self.lines[-1]
        else:
            self.lines.append(f"{head} UNKNOWN TYPE")

    def contents(self, node: int, kind: int) -> str:
        engine = self.engine
        pivots = engine.mt_pivots(kind)
        parts = [
            f"{self.pointer(engine.slot(node, kind, at))} {self.pivot(engine.pivot(node, at))}"
            for at in range(pivots)
        ]
        return " ".join([*parts, self.pointer(engine.slot(node, kind, pivots))])

    def slots(self, enode: int, first: int, top: int, depth: int) -> None:
        """The node's slots, one line each, until its range is used up or a zero pivot comes."""
        engine, node, kind = self.engine, enode & ~255, (enode >> 3) & 15
        pivots = engine.mt_pivots(kind)
        for at in range(pivots + 1):
            slot = engine.slot(node, kind, at)
            last = top
            if at < pivots:
                last = engine.pivot(node, at)
            elif slot == 0 and (kind == MAPLE_ARANGE_64 or top != engine.max_index):
                break
            if last == 0 and at > 0:
                break
            if kind == MAPLE_LEAF_64:
                self.entry(slot, first, last, depth + 1)
            elif slot:
                self.child(slot, first, last, depth + 1)
            if last == top:
                break
            if last > top:
                self.lines.append(
                    f"node {self.pointer(node)} last ({self.number(last)}) > "
                    f"max ({self.number(top)}) at pivot {at}!"
                )
                if not engine.era.dump_hex:
                    break
            first = last + 1

    def child(self, enode: int, first: int, last: int, depth: int) -> None:
        """A corrupt tree may be a loop: the kernel would print for ever, this stops."""
        if depth > MAPLE_HEIGHT_MAX:
            head = self.span(first, last, depth)
            self.lines.append(f"{head}node {self.pointer(enode & ~255)} ...")
        else:
            self.node(enode, first, last, depth)


def mt_dump(engine: Lifecycle, tree: int, *, hex: bool = False, kernel: bool = True) -> str:
    """The tree at ``tree`` as ``mt_dump`` prints it, one string with line ends.

    ``hex`` is ``mt_dump_hex`` of 6.5 and later: ranges and gaps in lower-case hexadecimal, pivots
    in upper case. :class:`ValueError` in an era whose dump is always decimal.
    """
    if hex and not engine.era.dump_hex:
        raise ValueError(f"mt_dump of era {engine.era.name} prints decimal numbers only")
    dump = _Dump(engine, hex, kernel)
    root = engine.root(tree)
    dump.lines.append(
        f"maple_tree({dump.pointer(tree)}) flags {engine.flags(tree):X}, "
        f"height {engine.mt_height(tree)} root {dump.pointer(root)}"
    )
    if root == 0 and engine.era.dump_empty:
        dump.lines.append("(empty)")
    elif root & 3 == 2 and root > 4096:
        dump.node(root, 0, engine.max_index, 0)
    else:
        dump.entry(root, 0, 0, 0)
    return "\n".join(dump.lines) + "\n"


def mas_dump(engine: Lifecycle, mas: MaState, *, kernel: bool = True) -> str:
    """A state as ``mas_dump`` of 6.5 and later prints it."""
    dump = _Dump(engine, True, kernel)
    tree, enode, alloc = (dump.pointer(value) for value in (mas.tree, mas.node, mas.alloc))
    lines = [f"MAS: tree={tree} enode={enode} ({STATUS_NAMES[mas.status]})"]
    if engine.era.typed:
        lines.append(f"Store Type: {STORE_TYPE_NAMES[mas.store_type]}")
    lines.append(f"[{mas.offset}/{mas.end}] index={mas.index:x} last={mas.last:x}")
    lines.append(
        f"     min={mas.min:x} max={mas.max:x} alloc={alloc}, depth={mas.depth}, "
        f"flags={mas.mas_flags:x}"
    )
    if mas.index > mas.last:
        lines.append("Check index & last")
    return "\n".join(lines) + "\n"
