"""``mmtwin bugs``: the catalogue of historical bugs."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mmtwin.cli.options import Json, Quiet
from mmtwin.cli.outcome import CLEAN, FOUND, document, fail, write_json
from mmtwin.regressions import run as catalogue
from mmtwin.regressions.random_testing import MOST
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.run import Bug, Caught
from mmtwin.regressions.thread_story import ThreadStory
from mmtwin.view.console import facts, number

bugs = typer.Typer(
    help="The catalogue of historical bugs: what each was, put it back, find it.",
    no_args_is_help=True,
)


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
    for column in ("name", "layer", "caught by", "what it was"):
        table.add_column(column, no_wrap=column in ("name", "layer"))
    for bug in every:
        table.add_row(Text(bug.name, "bold"), bug.layer, " ".join(bug.invariants), Text(bug.title))
    Console().print(table)


@bugs.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A name from the list.")], json: Json = False
) -> None:
    """Tell one bug: its source, its mechanism, how to trigger it."""
    bug = _named(name)
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
    if isinstance(bug, Regression):
        rows.append(("at random", _operations(bug.at_random)))
    Console().print(Group(facts(rows), Padding(Text(bug.mechanism), (1, 0, 0, 0))))


@bugs.command("run")
def run(
    name: Annotated[str | None, typer.Argument(help="A name from the list.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them, one after the other.")] = False,
    random: Annotated[
        bool,
        typer.Option(
            "--random", help="Random operations instead of its story, up to a hundred thousand."
        ),
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Put a bug back and find it: exit code 1 if it was found, 0 if it escaped.

    With --all it is the other way round: 0 if every bug was caught by an invariant that the
    catalogue names for it.
    """
    if (name is None) != every:
        fail("name one bug, or give --all")
    chosen = catalogue.every() if name is None else [_named(name)]
    if random:
        if every:
            chosen = [bug for bug in chosen if isinstance(bug, Regression)]
        results = [(bug, catalogue.run_at_random(_of_layer(bug))) for bug in chosen]
        missed = [
            bug.name
            for bug, caught in results
            if (caught and caught.step) != _of_layer(bug).at_random
        ]
    else:
        results = [(bug, catalogue.run(bug)) for bug in chosen]
        missed = [bug.name for bug, caught in results if not catalogue.as_told(bug, caught)]
    if json:
        write_json(
            document(
                "bugs run",
                profile=None,
                ok=not missed if every else results[0][1] is None,
                counts={"bugs": len(results), "missed": len(missed)},
                findings=[_finding(caught) for _, caught in results if caught is not None],
                missed=missed,
            )
        )
    elif not quiet:
        Console().print(_results(results, random))
    if every:
        raise typer.Exit(FOUND if missed else CLEAN)
    raise typer.Exit(CLEAN if results[0][1] is None else FOUND)


def _of_layer(bug: Bug) -> Regression:
    """The bug as one that random operations on a tree or a process can bring out."""
    if not isinstance(bug, Regression):
        fail(f"{bug.name}: no random testing of this layer here; see mmtwin bench pages --bugs")
    return bug


def _operations(at_random: int | None) -> str:
    """After how much random testing a bug is found, in words."""
    if at_random is None:
        return f"not within {number(MOST)} operations"
    return f"after {number(at_random)} operations" if at_random > 1 else "at the first operation"


def _results(results: list[tuple[Bug, Caught | None]], random: bool) -> Group:
    parts: list[RenderableType] = []
    for bug, caught in results:
        if caught is None:
            parts.append(
                Text.assemble(
                    (bug.name, "bold"),
                    _escaped(bug, random),
                )
            )
            parts += _verdict(bug)
            continue
        parts.append(
            Text.assemble(
                (bug.name, "bold"),
                "  ",
                (caught.invariant, "green" if caught.expected else "bold red"),
                _where(caught, random),
            )
        )
        steps = [caught.what]
        if len(caught.steps) == caught.step - 1:
            numbered = enumerate((*caught.steps, caught.what), 1)
            steps = [f"{nth}. {step}" for nth, step in numbered if step]
        told = "\n".join(filter(None, (*steps, caught.message, caught.scene, caught.more)))
        parts.append(Padding(Text(told, "dim"), (0, 0, 0, 2)))
        parts += _verdict(bug)
    return Group(*parts)


def _escaped(bug: Bug, random: bool) -> tuple[str, str]:
    """What to say where nothing was found, and its style."""
    if random:
        return f"  not found in {number(MOST)} random operations", "yellow"
    return ("  escaped", "bold red") if bug.invariants else ("  ends well", "green")


def _where(caught: Caught, random: bool) -> str:
    if random:
        return f" after {number(caught.step)} random operations"
    return f" at step {number(caught.step)} of its story"


def _verdict(bug: Bug) -> list[RenderableType]:
    """What a thread's scenario shows."""
    if not isinstance(bug, ThreadStory):
        return []
    return [Padding(Text(f"verdict: {bug.verdict}"), (0, 0, 0, 2))]


def _finding(caught: Caught) -> dict[str, object]:
    return {
        "kind": "bug" if caught.invariant == catalogue.BUG else "invariant",
        "invariant": None if caught.invariant == catalogue.BUG else caught.invariant,
        "step": caught.step,
        "call": caught.what,
        "steps": list(caught.steps),
        "message": caught.message,
        "scene": caught.scene,
        "more": caught.more,
        "expected": caught.expected,
        "regressions": [caught.bug.name],
    }


def _named(name: str) -> Bug:
    try:
        return catalogue.get(name)
    except KeyError:
        fail(f"{name}: there is no such bug; see mmtwin bugs list")


def _as_json(bug: Bug) -> dict[str, object]:
    return {
        "name": bug.name,
        "title": bug.title,
        "source": bug.source,
        "versions": bug.versions,
        "layer": bug.layer,
        "invariants": list(bug.invariants),
        "mechanism": bug.mechanism,
        "trigger": bug.trigger,
        "verdict": bug.verdict if isinstance(bug, ThreadStory) else None,
    }
