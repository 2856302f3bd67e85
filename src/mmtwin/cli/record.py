"""``mmtwin record``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mmtwin.cli import INTERRUPTED
from mmtwin.cli.options import Json
from mmtwin.cli.outcome import document, fail, write_json
from mmtwin.trace.errors import RecordError
from mmtwin.trace.record import record as record_program


def record(
    command: Annotated[list[str], typer.Argument(help="The program and its arguments, after --.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="The trace; .gz, .xz and .zst are compressed.")
    ] = Path("trace.jsonl.xz"),
    maps: Annotated[
        bool, typer.Option("--maps", help="Write /proc/PID/maps after each call: ground truth.")
    ] = False,
    touches: Annotated[
        bool, typer.Option("--touches", help="Write which mappings were written to (Linux 6.7).")
    ] = False,
    fixed: Annotated[
        bool, typer.Option("--fixed-addresses", help="Turn address randomisation off.")
    ] = False,
    json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing.")] = False,
) -> None:
    """Run a program and record its memory calls."""
    try:
        made = record_program(command, out, maps=maps, touch=touches, fixed_addresses=fixed)
    except RecordError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{out}: {error.strerror or error}")
    if json:
        write_json(
            document(
                "record",
                profile=None,
                ok=not made.interrupted,
                counts={"calls": made.calls, "lines": made.lines},
                findings=[],
                trace=str(out),
                status=made.status,
            )
        )
    elif not quiet:
        status = f", the program ended with {made.status}" if made.status else ""
        sys.stderr.write(f"mmtwin: {made.calls} calls in {made.lines} lines in {out}{status}\n")
    if made.interrupted:
        raise typer.Exit(INTERRUPTED)
