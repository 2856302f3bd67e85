"""``mmtwin replay TRACE --against PROFILE``: where two kernels part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from mmtwin.cli.outcome import CLEAN, FOUND, document
from mmtwin.cli.report import present
from mmtwin.machine.profile import Profile
from mmtwin.maple.shape import Node
from mmtwin.memory.allocator import Injector
from mmtwin.regressions.regression import Regression
from mmtwin.replay.against import Against, Divergence, Part, State
from mmtwin.trace.records import Record
from mmtwin.twin import Twin
from mmtwin.view.against import counts_rows, divergence_panel
from mmtwin.view.console import facts


def against(
    trace: Path,
    records: Callable[[], Iterable[Record]],
    left: Profile,
    right: Profile,
    *,
    parts: Sequence[Part],
    regressions: Sequence[Regression],
    injector: Callable[[], Injector] | None,
    ram: int,
    swap: int,
    hugepages: int,
    json: bool,
    quiet: bool,
    page: Path | None,
    on_step: Callable[[int], None] | None,
) -> None:
    """Carry the trace out under both profiles; exit code 1 if they part.

    ``regressions`` are put back into the left one only.
    """
    sides = [
        Twin(
            profile,
            bugs,
            injector=injector() if injector is not None else None,
            ram=ram,
            swap=swap,
            hugepages=hugepages,
        )
        for profile, bugs in ((left, regressions), (right, ()))
    ]
    run = Against(sides[0], sides[1], records, parts=parts, on_step=on_step)
    found = run.run()
    names = [regression.name for regression in regressions]
    rows: list[tuple[str, RenderableType]] = [
        ("trace", Text(trace.name, "bold")),
        ("kernels", f"{left.name} and {right.name}"),
        *([("with", f"{', '.join(names)} on the left")] if names else []),
        *counts_rows(run.counts),
    ]
    same = Text("the same: no step parts them", "bold green")
    text: list[RenderableType] = [facts(rows), divergence_panel(found) if found else same]
    present(
        document(
            "replay",
            profile=left.name,
            ok=found is None,
            counts=run.counts.as_json(),
            findings=[divergence_json(found, names)] if found else [],
            trace=str(trace),
            against=right.name,
            regressions=names,
        ),
        Group(*text),
        json=json,
        quiet=quiet,
        page=page,
    )
    raise typer.Exit(FOUND if found else CLEAN)


def divergence_json(found: Divergence, regressions: Sequence[str]) -> dict[str, object]:
    """The divergence as a finding."""
    return {
        "kind": "disagreement",
        "invariant": None,
        "step": found.step,
        "line": found.line,
        "call": found.call,
        "pid": found.pid,
        "message": found.message,
        "evidence": {
            "part": found.part,
            "path": list(found.path),
            "left": state_json(found.left, found.differ[0]),
            "right": state_json(found.right, found.differ[1]),
        },
        "regressions": list(regressions),
    }


def state_json(state: State, differ: Sequence[str]) -> dict[str, object]:
    """One side's state after the step."""
    return {
        "profile": state.profile,
        "call": state.call,
        "result": state.answer.result,
        "answer": str(state.answer),
        "maps": state.lines,
        "differ": list(differ),
        "tree": _tree(state.tree, state),
    }


def _tree(tree: Node | int | None, state: State) -> object:
    if not isinstance(tree, Node):
        area = state.areas.get(tree or 0)
        return f"{area[0]:#x}-{area[1]:#x}" if area else None
    return {
        "type": tree.name,
        "end": tree.end,
        "pivots": [f"{pivot:#x}" for pivot in tree.pivots],
        "gaps": [f"{gap:#x}" for gap in tree.gaps],
        "widest": tree.widest,
        "slots": [_tree(slot, state) for slot in tree.slots],
    }
