"""The command line: which commands there are, and what happens when one breaks off."""

from __future__ import annotations

import typer

from mmtwin import __version__

app = typer.Typer(
    name="mmtwin",
    help="An executable twin of Linux memory management. Exit codes: 0 clean, 1 something was "
    "found, 2 bad input or usage, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"mmtwin {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", help="Print the version and exit.", callback=_version, is_eager=True
    ),
) -> None:
    """Take the options that come before the command."""


def run() -> None:
    """Carry out the command that the arguments name."""
    from mmtwin.cli import commands

    commands.register(app)
    app()
