"""``mmtwin diff --kernel qemu --nodes``: the guest's maple trees, node for node."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import NoReturn

import typer

from mmtwin.cli.outcome import CLEAN, FOUND, document, fail, write_json
from mmtwin.kernels.host.build import AgentError
from mmtwin.kernels.nodes import NodeTotal, compare_nodes, compare_program, on_inspected_guest
from mmtwin.kernels.strace import show


def node_for_node(*, calls: int, seed: int, most: int, json: bool, quiet: bool) -> NoReturn:
    """Compare until ``calls`` calls are made or ``most`` runs disagreed; ends the command."""
    try:
        with on_inspected_guest() as (differ, memory):
            total = compare_nodes(differ, memory, seed, calls, most=most)
    except AgentError as error:
        fail(f"diff --kernel qemu --nodes: {error}")
    found = bool(total.found or total.runs_found)
    if json:
        write_json(_document(total, seed))
    elif not quiet:
        for run in total.runs_found:
            typer.echo(show(run))
        for difference in total.found:
            typer.echo(show(difference.run))
            typer.echo(f"  {difference}")
        typer.echo(
            f"{total.calls:,} calls in {total.runs:,} runs, {total.trees:,} trees of "
            f"{total.nodes:,} nodes and {total.areas:,} areas, up to {total.deepest} levels: "
            f"{len(total.found)} differ, {len(total.runs_found)} runs disagreed; "
            f"{total.seconds:,.0f} s"
        )
    raise typer.Exit(FOUND if found else CLEAN)


def program_node_for_node(text: str, *, json: bool, quiet: bool) -> NoReturn:
    """Run the command ``text`` in a guest and compare its tree after every call; ends the command.

    What the replay cannot make agree with the guest's own record counts as found, too.
    """
    try:
        command = shlex.split(text)
    except ValueError as error:
        fail(f"diff --program: {error}")
    if not command or not Path(command[0]).is_file():
        fail(f"diff --program: {command[0] if command else 'nothing'} is no program")
    try:
        total = compare_program(command)
    except AgentError as error:
        fail(f"diff --kernel qemu --nodes: {error}")
    found = bool(total.found or total.findings)
    if json:
        counts = total.counts.as_json() | {
            "trees": total.trees,
            "nodes": total.nodes,
            "areas": total.areas,
            "levels": total.deepest,
            "trees_differ": len(total.found),
        }
        write_json(
            document(
                "diff",
                profile="6.1",
                ok=not found,
                counts=counts,
                findings=[finding.as_json() for finding in total.findings],
                kernel="qemu",
                nodes=True,
                program=command,
                differ=total.found,
            )
        )
    elif not quiet:
        for difference in [*(f"{f.step}: {f.message}" for f in total.findings), *total.found]:
            typer.echo(difference)
        counts_of = total.counts
        typer.echo(
            f"{command[0]}: {counts_of.calls:,} steps, {counts_of.agreed:,} agreed, "
            f"{counts_of.settled:,} settled, {counts_of.disagreed:,} disagreed; "
            f"{total.trees:,} trees of {total.nodes:,} nodes and {total.areas:,} areas, "
            f"up to {total.deepest} levels: {len(total.found)} differ"
        )
    raise typer.Exit(FOUND if found else CLEAN)


def _document(total: NodeTotal, seed: int) -> dict[str, object]:
    findings = [
        (difference.run, difference.message, list(difference.path)) for difference in total.found
    ]
    findings += [(run, str(run.found), []) for run in total.runs_found]
    return document(
        "diff",
        profile="6.1",
        ok=not findings,
        counts={
            "calls": total.calls,
            "runs": total.runs,
            "trees": total.trees,
            "nodes": total.nodes,
            "areas": total.areas,
            "levels": total.deepest,
            "disagreed": len(findings),
        },
        findings=[
            {
                "kind": "disagreement",
                "invariant": None,
                "step": len(run.calls),
                "call": str(run.calls[-1]) if run.calls else "exec",
                "message": message,
                "evidence": {
                    "seed": run.seed,
                    "calls": [str(call) for call in run.calls],
                    "path": path,
                },
                "regressions": [],
            }
            for run, message, path in findings
        ],
        kernel="qemu",
        nodes=True,
        seed=seed,
        seconds=round(total.seconds, 3),
    )
