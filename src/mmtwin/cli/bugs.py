"""``mmtwin bugs``: the catalogue of historical bugs."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mmtwin.cli.outcome import document, fail, write_json
from mmtwin.regressions import catalogue
from mmtwin.regressions.regression import Regression
from mmtwin.view.console import facts

bugs = typer.Typer(
    help="The catalogue of historical bugs: what each was, put it back, find it.",
    no_args_is_help=True,
)
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@bugs.command("list")
def list_bugs(json: Json = False) -> None:
    """List the bugs that can be put back."""
    every = catalogue.every()
    if json:
        write_json(
            document(
                "bugs list",
                profile=None,
                ok=True,
                counts={"bugs": len(every)},
                findings=[],
                bugs=[_as_json(bug) for bug in every],
            )
        )
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for column in ("name", "layer", "versions", "caught by", "what it was"):
        table.add_column(column, no_wrap=column in ("name", "layer"))
    for bug in every:
        table.add_row(
            Text(bug.name, "bold"), bug.layer, bug.versions, " ".join(bug.invariants), bug.title
        )
    Console().print(table)


@bugs.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A name from the list.")], json: Json = False
) -> None:
    """Tell one bug: its source, its mechanism, how to trigger it."""
    try:
        bug = catalogue.get(name)
    except KeyError:
        fail(f"{name}: there is no such bug; see mmtwin bugs list")
    if json:
        write_json(
            document("bugs show", profile=None, ok=True, counts={}, findings=[], bug=_as_json(bug))
        )
        return
    rows: list[tuple[str, RenderableType]] = [
        ("name", Text(bug.name, "bold")),
        ("what", bug.title),
        ("source", bug.source),
        ("versions", bug.versions),
        ("layer", bug.layer),
        ("caught by", " ".join(bug.invariants)),
        ("trigger", bug.trigger),
    ]
    Console().print(Group(facts(rows), Padding(Text(bug.mechanism), (1, 0, 0, 0))))


def _as_json(bug: Regression) -> dict[str, object]:
    return {
        "name": bug.name,
        "title": bug.title,
        "source": bug.source,
        "versions": bug.versions,
        "layer": bug.layer,
        "invariants": list(bug.invariants),
        "mechanism": bug.mechanism,
        "trigger": bug.trigger,
    }
