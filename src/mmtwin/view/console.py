"""The terminal: summaries and findings at 80 columns, with or without colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

NODE_ROWS_MAX = 18


def number(value: int) -> str:
    """A count with thin groups: ``12,345``."""
    return f"{value:,}"


def facts(rows: Sequence[tuple[str, RenderableType]]) -> Table:
    """Names on the left, facts on the right, no lines. Plain strings are taken literally."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, value in rows:
        table.add_row(name, Text(value) if isinstance(value, str) else value)
    return table


def counts_line(counts: dict[str, Any]) -> Text:
    """``913 calls: 911 agreed, 2 settled from the record, 0 disagreed``."""
    text = Text.assemble((number(counts["calls"]), "bold"), " steps: ")
    text.append(f"{number(counts['agreed'])} agreed", "green")
    text.append(", ")
    settled = counts["settled"]
    text.append(f"{number(settled)} settled from the record", "yellow" if settled else "")
    text.append(", ")
    bad = counts["disagreed"]
    text.append(f"{number(bad)} disagreed", "bold red" if bad else "")
    return text


def finding_panel(finding: dict[str, Any]) -> Panel:
    """A finding: the step, the rule, the structure before and after with the fault marked."""
    head = facts(
        [
            ("step", f"{number(finding['step'])} (line {finding['line']})"),
            ("call", Text(finding["call"], "bold")),
            ("process", str(finding["pid"])),
            ("found", Text(finding["message"], "red")),
        ]
    )
    parts: list[RenderableType] = [head]
    evidence = finding["evidence"]
    violations = evidence.get("violations", [])[1:6]
    if violations:
        rows = Text("also broken\n", "dim")
        for other in violations:
            rows.append(
                f"  {other['invariant']} {other['kind']} {other['address']} {other['field']}: "
                f"{other['found']}\n"
            )
        parts.append(Padding(rows, (1, 0, 0, 0)))
    if evidence.get("after"):
        parts.append(Padding(tree_path(evidence), (1, 0, 0, 0)))
        parts.append(node_tables(evidence))
    if evidence.get("maps"):
        parts.append(Padding(maps_lines(evidence["maps"]), (1, 0, 0, 0)))
    if finding.get("regressions"):
        parts.append(Text(f"with {', '.join(finding['regressions'])}", "dim"))
    title = f"FIRST BAD STEP  {finding['invariant'] or finding['kind']}"
    return Panel(Group(*parts), title=title, title_align="left", border_style="red")


def tree_path(evidence: dict[str, Any]) -> Text:
    """The way from the tree's root to the node."""
    text = Text("path ", "dim")
    text.append(f"maple_tree {evidence['tree']}")
    for step in evidence["path"]:
        text.append(f" → {step['node']}[{step['slot']}]")
    text.append(f" → {evidence['after']['node']}", "bold red")
    return text


def node_tables(evidence: dict[str, Any]) -> Table:
    """The node before the step and after it, side by side."""
    before, after = evidence["before"], evidence["after"]
    table = Table.grid(padding=(0, 3), expand=False)
    table.add_row(
        node_table(before, "before", after) if before else Text("before: no such node", "dim"),
        node_table(after, "after", before),
    )
    return table


def node_table(node: dict[str, Any], when: str, other: dict[str, Any] | None) -> Table:
    """One node: a row a slot; what differs from ``other`` bold, what lies past the end red."""
    known = {_content(slot) for slot in other["slots"]} if other else set()
    table = Table(
        title=f"{when}  {node['type']} {node['node']} end {node['end']}",
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    table.add_column("", justify="right")
    table.add_column("last")
    table.add_column("entry")
    for slot in node["slots"][:NODE_ROWS_MAX]:
        past = "first" not in slot
        style = "bold red" if past else "" if _content(slot) in known else "bold yellow"
        entry = "-" if slot["entry"] == "0x0" else slot["entry"]
        last = slot["pivot"] if past else slot["last"]
        mark = "✗" if past else ""
        table.add_row(f"{mark}{slot['slot']}", last, entry, style=style)
    return table


def _content(slot: dict[str, Any]) -> tuple[str, str]:
    return slot.get("last", slot.get("pivot", "")), slot["entry"]


def maps_lines(lines: list[dict[str, str]]) -> Text:
    """Lines of /proc/PID/maps that only the twin or only the record has."""
    text = Text("maps that differ\n", "dim")
    for line in lines[:NODE_ROWS_MAX]:
        mine = line["side"] == "twin"
        text.append(f"  {'twin  ' if mine else 'record'} ", "cyan" if mine else "magenta")
        text.append(line["line"].rstrip() + "\n")
    if len(lines) > NODE_ROWS_MAX:
        text.append(f"  and {len(lines) - NODE_ROWS_MAX} more\n", "dim")
    return text


def verdict(ok: bool, interrupted: bool = False) -> Text:
    """The last line."""
    if interrupted:
        return Text("interrupted: what was done so far is told above", "yellow")
    return Text("ok: nothing found", "bold green") if ok else Text("found", "bold red")


def export_html(console: Console, title: str) -> str:
    """All that a recording console was given, as one self-contained page."""
    page = console.export_html(inline_styles=True, clear=False)
    head = f"<title>{title}</title>"
    return page.replace(
        "<head>", f'<head>\n<meta name="viewport" content="width=device-width">{head}', 1
    )
