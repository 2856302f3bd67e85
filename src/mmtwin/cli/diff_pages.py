"""``mmtwin diff --pages``: which frames a real kernel hands out, foretold by the twin."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from mmtwin.cli.outcome import CLEAN, FOUND, document, fail, write_json
from mmtwin.kernels.host.build import AgentError
from mmtwin.kernels.pages.guest import record
from mmtwin.kernels.pages.predict import Prediction, Predictor
from mmtwin.kernels.pages.recording import BadRecording, Recording, load
from mmtwin.kernels.pages.recording import save as save_recording
from mmtwin.view.console import facts, number

GOAL = 0.95
"""Share of allocations from which on the twin counts as agreeing with the kernel."""
MEGABYTES = 1024
MISSES_SHOWN = 5


def diff_pages(
    *, calls: int, seed: int, recording: Path | None, save: Path | None, json: bool, quiet: bool
) -> NoReturn:
    """Record (or read) what a guest's page allocator did, foretell it, and end the command."""
    recorded = _recording(calls, seed, recording, save)
    begin = time.monotonic()
    try:
        result = Predictor(recorded).run()
    except ValueError as error:
        fail(f"diff --pages: the recording contradicts itself: {error}")
    seconds = time.monotonic() - begin
    if json:
        write_json(_document(recorded, result, seconds))
    elif not quiet:
        Console().print(_summary(recorded, result, seconds))
    raise typer.Exit(CLEAN if result.share >= GOAL else FOUND)


def _recording(calls: int, seed: int, path: Path | None, save: Path | None) -> Recording:
    if path is not None:
        try:
            return load(path)
        except BadRecording as error:
            fail(f"diff --pages: {error}")
        except OSError as error:
            fail(f"diff --pages: {path}: {error.strerror}")
    try:
        recorded = record(calls, seed, MEGABYTES)
        if save is not None:
            save_recording(recorded, save)
    except AgentError as error:
        fail(f"diff --kernel qemu --pages: {error}")
    except OSError as error:
        fail(f"diff --pages: {save}: {error.strerror}")
    return recorded


def _document(recorded: Recording, result: Prediction, seconds: float) -> dict[str, object]:
    same, lists = result.lists
    return document(
        "diff",
        profile=recorded.start.era,
        ok=result.share >= GOAL,
        counts={
            "allocations": result.asked.total(),
            "predicted": result.right.total(),
            "events": dict(result.events),
            "foretold": dict(result.foretold),
            "told": dict(result.told),
            "lists": lists,
            "lists_alike": same,
        },
        findings=[
            {
                "kind": "disagreement",
                "invariant": None,
                "step": miss.number,
                "call": f"alloc_pages({miss.gfp:#x}, {miss.order})",
                "message": f"the kernel gave frame {miss.kernel:#x}, the twin {miss.twin:#x}",
                "evidence": {"kind": miss.kind},
                "regressions": [],
            }
            for miss in result.misses
        ],
        kernel=recorded.kernel,
        share=result.share,
        orders={
            str(order): {"allocations": asked, "predicted": result.right[order]}
            for order, asked in sorted(result.asked.items())
        },
        kinds=dict(result.kinds),
        texts=result.texts,
        seconds=round(seconds, 3),
    )


def _summary(recorded: Recording, result: Prediction, seconds: float) -> Group:
    asked, right = result.asked.total(), result.right.total()
    same, lists = result.lists
    texts = ", ".join(
        f"{name} {'equal' if equal else 'differs'}" for name, equal in result.texts.items()
    )
    rows: list[tuple[str, RenderableType]] = [
        ("kernel", f"{recorded.kernel}, {_memory(recorded)}"),
        ("events", f"{number(len(recorded.events))}, replayed in {seconds:.1f} s"),
        (
            "frames foretold",
            Text(
                f"{number(right)} of {number(asked)} allocations, {result.share:.3%}",
                "green" if result.share >= GOAL else "bold red",
            ),
        ),
        ("at the end", f"{same} of {lists} lists are the same, page by page, in order"),
        ("/proc", texts or "not recorded"),
    ]
    parts: list[RenderableType] = [facts(rows), Text(), _orders(result), Text(), _moves(result)]
    for title, counts in (("what went wrong", result.kinds), ("told, not foretold", result.told)):
        if counts:
            parts += [Text(f"\n{title}", "bold"), _counted(counts)]
    for miss in result.misses[:MISSES_SHOWN]:
        parts.append(
            Text(
                f"event {miss.number}: order {miss.order}, gfp {miss.gfp:#x}: the kernel gave "
                f"{miss.kernel:#x}, the twin {miss.twin:#x}: {miss.kind}"
            )
        )
    return Group(*parts)


def _memory(recorded: Recording) -> str:
    managed = sum(zone.managed for zone in recorded.start.zones)
    return f"{managed * 4 // 1024} MiB managed"


def _orders(result: Prediction) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("order", "allocations", "foretold", "share"):
        table.add_column(name, justify="right")
    for order, asked in sorted(result.asked.items()):
        right = result.right[order]
        table.add_row(str(order), number(asked), number(right), f"{right / asked:.3%}")
    return table


def _moves(result: Prediction) -> Table:
    """Pages that moved without being asked for."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("moved unasked")
    table.add_column("events", justify="right")
    table.add_column("foretold", justify="right")
    for name in ("mm_page_alloc_zone_locked", "mm_page_pcpu_drain", "mm_page_alloc_extfrag"):
        table.add_row(name, number(result.events[name]), number(result.foretold[name]))
    return table


def _counted(counts: Counter[str]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    table.add_column()
    for name, count in counts.most_common():
        table.add_row(number(count), name)
    return table
