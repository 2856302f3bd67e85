"""``mmtwin diff``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mmtwin.cli.diff_pages import diff_pages
from mmtwin.cli.nodes import node_for_node, program_node_for_node
from mmtwin.cli.outcome import CLEAN, FOUND, document, fail, write_json
from mmtwin.kernels.diff import Run, compare, on_host, on_qemu, show
from mmtwin.kernels.host.build import AgentError


class Kernel(StrEnum):
    """Which real kernel answers."""

    HOST = "host"
    QEMU = "qemu"


OPENERS = {Kernel.HOST: on_host, Kernel.QEMU: on_qemu}
PROFILES = {Kernel.HOST: "6.18", Kernel.QEMU: "6.1"}


def diff(
    kernel: Annotated[Kernel, typer.Option(help="host: this machine's; qemu: Debian's 6.1.")] = (
        Kernel.HOST
    ),
    calls: Annotated[int, typer.Option(help="Calls to make, at least.", min=1)] = 100_000,
    seed: Annotated[int, typer.Option(help="The first run's seed; each run takes the next.")] = 1,
    most: Annotated[int, typer.Option(help="Stop after so many disagreements.", min=1)] = 1,
    shrink: Annotated[bool, typer.Option(help="Shrink what is found to a few calls.")] = True,
    nodes: Annotated[
        bool,
        typer.Option(
            "--nodes",
            help="With qemu: after each run, compare the processes' maple trees too, node for "
            "node, as they lie in the guest's memory.",
        ),
    ] = False,
    program: Annotated[
        str | None,
        typer.Option(
            help="With --nodes: run this command in the guest instead of random calls, replay "
            "what it did and compare its tree after every call.",
            metavar="COMMAND",
        ),
    ] = None,
    pages: Annotated[
        bool,
        typer.Option(
            "--pages",
            help="With qemu: which frames the guest's page allocator hands out, foretold.",
        ),
    ] = False,
    recording: Annotated[
        Path | None, typer.Option(help="With --pages: such a recording instead of a guest.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="With --pages: keep what the guest did in a file (.xz).")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only the exit code.")] = False,
) -> None:
    """Make random calls on a real kernel and on the twin, and compare after each."""
    if pages:
        if kernel is not Kernel.QEMU and recording is None:
            fail("diff --pages: only a guest's memory can be read; it needs --kernel qemu")
        diff_pages(calls=calls, seed=seed, recording=recording, save=save, json=json, quiet=quiet)
    if recording is not None or save is not None:
        fail("diff --recording, diff --save: they need --pages")
    if nodes:
        if kernel is not Kernel.QEMU:
            fail("diff --nodes: only a guest's memory can be read; it needs --kernel qemu")
        if program is not None:
            program_node_for_node(program, json=json, quiet=quiet)
        node_for_node(calls=calls, seed=seed, most=most, json=json, quiet=quiet)
    if program is not None:
        fail("diff --program: it needs --nodes")
    try:
        with OPENERS[kernel]() as differ:
            total = compare(differ, seed, calls, most)
            found = [differ.shrink(run) if shrink else run for run in total.found]
    except AgentError as error:
        fail(f"diff --kernel {kernel.value}: {error}")
    if json:
        write_json(
            document(
                "diff",
                profile=PROFILES[kernel],
                ok=not found,
                counts={"calls": total.calls, "runs": total.runs, "disagreed": len(found)},
                findings=[_finding(run) for run in found],
                kernel=kernel.value,
                seed=seed,
                seconds=round(total.seconds, 3),
            )
        )
    elif not quiet:
        for run in found:
            typer.echo(show(run))
        rate = total.calls / total.seconds if total.seconds else 0.0
        typer.echo(
            f"{total.calls:,} calls in {total.runs:,} runs, {len(found)} disagreements, "
            f"{rate:,.0f} calls a second"
        )
    raise typer.Exit(FOUND if found else CLEAN)


def _finding(run: Run) -> dict[str, object]:
    assert run.found is not None
    return {
        "kind": "disagreement",
        "invariant": None,
        "step": run.found.step,
        "call": str(run.found.call),
        "message": run.found.what,
        "evidence": {
            "seed": run.seed,
            "calls": [str(call) for call in run.calls],
            "twin": run.found.twin,
            "kernel": run.found.kernel,
        },
        "regressions": [],
    }
