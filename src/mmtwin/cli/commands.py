"""The commands, by name."""

from __future__ import annotations

import typer

from mmtwin.cli.bench import bench
from mmtwin.cli.bugs import bugs
from mmtwin.cli.demo import demo
from mmtwin.cli.diff import diff
from mmtwin.cli.record import record
from mmtwin.cli.replay import replay


def register(app: typer.Typer) -> None:
    """Add every command to the application."""
    app.command()(replay)
    app.command(context_settings={"ignore_unknown_options": True})(record)
    app.command()(diff)
    app.add_typer(bugs, name="bugs")
    app.add_typer(bench, name="bench")
    app.command()(demo)
