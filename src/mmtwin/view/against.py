"""Two kernels side by side at the step where they part."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from mmtwin.maple.shape import Node
from mmtwin.replay.against import AgainstCounts, Divergence, State
from mmtwin.view.console import NODE_ROWS_MAX, facts, number

LINES_AROUND = 2
LINES_MOST = 24
WHAT = {"result": "RESULT", "maps": "MAPS", "trees": "TREES"}


def counts_rows(counts: AgainstCounts) -> list[tuple[str, RenderableType]]:
    """How far the two went together."""
    rows: list[tuple[str, RenderableType]] = [("steps", number(counts.steps))]
    if counts.followed:
        rows.append(("followed", f"{number(counts.followed)} × another address was chosen"))
    if counts.unknown:
        rows.append(("left out", f"{number(counts.unknown)} steps that the record does not tell"))
    rows.append(("maps", f"{number(counts.maps)} compared"))
    shape = f", {number(counts.trees_by_shape)} by shape" if counts.trees_by_shape else ""
    apart = (
        f"; {number(counts.trees_apart)} have their holes elsewhere" if counts.trees_apart else ""
    )
    rows.append(("trees", f"{number(counts.trees)} compared{shape}{apart}"))
    for part, times in sorted(counts.passed_over.items()):
        rows.append(("passed over", f"{number(times)} × {part}"))
    return rows


def divergence_panel(found: Divergence) -> Panel:
    """The step, and both kernels' states after it."""
    head = facts(
        [
            ("step", f"{number(found.step)} (line {found.line})"),
            ("call", Text(found.call, "bold")),
            ("process", str(found.pid)),
            ("found", Text(found.message, "red")),
        ]
    )
    sides = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, expand=True)
    states = (found.left, found.right)
    for state in states:
        sides.add_column(state.profile, header_style="bold", ratio=1, overflow="fold")
    sides.add_row(*(Text(f"{state.call} = {state.answer}") for state in states))
    if found.part == "trees":
        sides.add_row(*(_node(state, found.path) for state in states))
    else:
        sides.add_row(*(_maps(state, found.differ[at]) for at, state in enumerate(states)))
    return Panel(
        Group(head, Padding(sides, (1, 0, 0, 0))),
        title=f"FIRST DIVERGENCE  {WHAT[found.part]}",
        title_align="left",
        border_style="red",
    )


def _maps(state: State, differ: list[str]) -> Text:
    """The map's lines around those that differ; all of a short map."""
    marked = [at for at, line in enumerate(state.lines) if line in differ]
    near = {
        at
        for spot in marked
        for at in range(spot - LINES_AROUND, spot + LINES_AROUND + 1)
        if 0 <= at < len(state.lines)
    }
    if not marked and len(state.lines) <= LINES_MOST:
        near = set(range(len(state.lines)))
    text = Text()
    last = -1
    for at in sorted(near)[:LINES_MOST]:
        if at != last + 1:
            text.append("...\n", "dim")
        text.append(_short(state.lines[at]) + "\n", "bold red" if at in marked else "")
        last = at
    if len(state.lines) > last + 1:
        text.append(f"{len(state.lines) - last - 1} more lines\n", "dim")
    return text


def _short(line: str) -> str:
    """The range, permissions, offset and the last part of the name."""
    words = line.split()
    name = " ".join(words[5:])
    return " ".join([*words[:3], name.rpartition("/")[2] or name])


def node_at(tree: Node | int | None, path: tuple[int, ...]) -> Node | int | None:
    """The node or entry that the slots of ``path`` lead to from the root."""
    for slot in path:
        if not isinstance(tree, Node) or slot > tree.end:
            return None
        tree = tree.slots[slot]
    return tree


def _node(state: State, path: tuple[int, ...]) -> RenderableType:
    node = node_at(state.tree, path)
    if not isinstance(node, Node):
        return Text("no node here" if not node else f"entry {node:#x}", "dim")
    where = "root" + "".join(f"[{slot}]" for slot in path)
    text = Text(f"{where} {node.name} end {node.end}\n", "bold")
    for at, (pivot, slot) in enumerate(zip(node.pivots, node.slots, strict=True)):
        if at == NODE_ROWS_MAX:
            break
        gap = f" gap {node.gaps[at]:#x}" if node.gaps else ""
        text.append(f"{at:2} {pivot:#x} {_shown(slot, state)}{gap}\n")
    return text


def _shown(slot: Node | int, state: State) -> str:
    if isinstance(slot, Node):
        return slot.name
    if slot == 0:
        return "-"
    area = state.areas.get(slot)
    return f"area {area[0]:#x}-{area[1]:#x}" if area else f"{slot:#x}"
