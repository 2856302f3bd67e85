"""How a command ends: exit codes, the one line of an error, the head of a JSON document."""

from __future__ import annotations

import sys
from typing import NoReturn

import msgspec
import typer

from mmtwin import __version__

CLEAN = 0
FOUND = 1
BAD_INPUT = 2


def fail(reason: str) -> NoReturn:
    """End with one line on standard error and exit code 2."""
    sys.stderr.write(f"mmtwin: {' '.join(reason.split())}\n")
    raise typer.Exit(BAD_INPUT)


def document(
    command: str,
    *,
    profile: str | None,
    ok: bool,
    counts: dict[str, object],
    findings: list[dict[str, object]],
    **more: object,
) -> dict[str, object]:
    """A JSON document with the head that all commands share."""
    return {
        "schema": 1,
        "command": command,
        "version": __version__,
        "profile": profile,
        "ok": ok,
        "counts": counts,
        "findings": findings,
        **more,
    }


def write_json(value: dict[str, object]) -> None:
    """Write one document on standard output, and nothing else."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
