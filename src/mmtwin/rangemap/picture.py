"""A range map for people: one line of text, and a picture for notebooks."""

from __future__ import annotations

from html import escape
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmtwin.maple.nodes import Nodes
    from mmtwin.rangemap.reader import RangeReader

SHOWN = 8
"""Most ranges in the text."""
ROWS = 24
"""Most ranges in the table of the picture."""
BOXES = 48
"""Most nodes of one level in the picture."""
WIDTH, BAR, LEVEL = 900, 26, 34
HEX_FROM = 1 << 12
"""Numbers from here on are shown in hex."""

LEAF, ARANGE = 1, 3


def number(value: int) -> str:
    """A number as people of its size read it."""
    return hex(value) if value >= HEX_FROM else str(value)


def text(tree: RangeReader) -> str:
    """``MapleTree([(0x1000, 0x3000, 'heap'), ...])``: half-open, as the constructor takes it."""
    parts = [
        f"({number(start)}, {number(last + 1)}, {value!r})"
        for start, last, value in islice(tree, SHOWN)
    ]
    if len(tree) > SHOWN:
        parts.append(f"... {len(tree) - SHOWN} more")
    return f"{type(tree).__name__}([{', '.join(parts)}])"


def html(tree: RangeReader) -> str:
    """The ranges as a bar, the nodes level by level, the first ranges as a table."""
    count = tree.stats()
    head = (
        f"<b>{type(tree).__name__}</b>: {count['ranges']} ranges, {count['nodes']} nodes "
        f"({count['bytes']} bytes) in {count['height']} levels"
    )
    if not tree:
        return f"<div>{head}</div>"
    return f"<div>{head}{_svg(tree)}{_table(tree)}</div>"


def _svg(tree: RangeReader) -> str:
    levels = node_levels(tree.core.engine, tree.core.tree)
    height = BAR + 8 + LEVEL * len(levels)
    shapes = [*_bar(tree), *_boxes(levels)]
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="100%" style="max-width:{WIDTH}px;'
        f'display:block;margin:6px 0" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'font-family="monospace" font-size="9">{"".join(shapes)}</svg>'
    )


def _bar(tree: RangeReader) -> list[str]:
    """The index space from the first range to the last, each range with its share of it."""
    first, last = tree.first(), tree.last()
    if first is None or last is None:
        return []
    low = first[0]
    scale = WIDTH / (last[1] - low + 1)
    shapes = [f'<rect width="{WIDTH}" height="{BAR}" fill="#8882"/>']
    for place, (start, end, value) in enumerate(islice(tree, 4 * WIDTH)):
        width = max((end - start + 1) * scale, 0.5)
        shapes.append(
            f'<rect x="{(start - low) * scale:.2f}" width="{width:.2f}" height="{BAR}" '
            f'fill="hsl({place * 137 % 360} 55% 60%)"><title>{_label(start, end, value)}'
            "</title></rect>"
        )
    return shapes


def _boxes(levels: list[list[tuple[int, int, int]]]) -> list[str]:
    """A row of boxes for each level: the slots in use, of those there are."""
    shapes = []
    for depth, nodes in enumerate(levels):
        top = BAR + 8 + depth * LEVEL
        step = WIDTH / min(len(nodes), BOXES)
        for place, (used, slots, last) in enumerate(nodes[:BOXES]):
            left, width = place * step, max(step - 3, 1)
            shapes.append(
                f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{LEVEL - 8}" '
                f'fill="none" stroke="#888"/><rect x="{left:.1f}" y="{top}" '
                f'width="{width * used / slots:.1f}" height="{LEVEL - 8}" fill="#58a4"/>'
                f"<title>{used} of {slots} slots, up to {number(last)} (inclusive)</title>"
            )
            if step > 30:
                shapes.append(f'<text x="{left + 4:.1f}" y="{top + 16}">{used}/{slots}</text>')
        if len(nodes) > BOXES:
            shapes.append(
                f'<text x="{WIDTH - 4}" y="{top + 16}" text-anchor="end">'
                f"{len(nodes)} nodes, {BOXES} shown</text>"
            )
    return shapes


def _table(tree: RangeReader) -> str:
    rows = [
        f"<tr><td>{number(start)}</td><td>{number(last)}</td><td>{last - start + 1}</td>"
        f"<td>{escape(_short(value))}</td></tr>"
        for start, last, value in islice(tree, ROWS)
    ]
    if len(tree) > ROWS:
        rows.append(f"<tr><td colspan=4>and {len(tree) - ROWS} more</td></tr>")
    return (
        "<table><thead><tr><th>start</th><th>last (inclusive)</th><th>size</th><th>value</th>"
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _label(start: int, last: int, value: Any) -> str:
    return escape(f"{number(start)} .. {number(last)} (inclusive): {_short(value)}")


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def node_levels(engine: Nodes, tree: int) -> list[list[tuple[int, int, int]]]:
    """Level by level from the root, each node's slots in use, all its slots, and its last index."""
    root = engine.root(tree)
    if root & 3 != 2 or root <= 4096:
        return []
    levels: list[list[tuple[int, int, int]]] = []
    level = [(root & ~2, (1 << 64) - 1)]
    while level:
        levels.append([])
        below: list[tuple[int, int]] = []
        for enode, last in level:
            kind = engine.node_type(enode)
            node = enode & ~255
            end = engine.ma_data_end(node, kind, last)
            levels[-1].append((end + 1, engine.mt_slots(kind), last))
            if kind != LEAF:
                below += [
                    (
                        engine.slot(node, kind, slot),
                        last if slot == end else engine.pivot(node, slot),
                    )
                    for slot in range(end + 1)
                ]
        level = below
    return levels
